"""What passes between an input that is read, a model that runs, and an output. No Django here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from inference.runtimes.base import Arrays
from inference.signature import TensorSpec

PICTURES, TEXTS, TENSORS = "pictures", "texts", "tensors"
Keys = Sequence[str] | npt.NDArray[np.int64]  # paths and names, or row numbers


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row has no prediction: a translatable template with its values, and the line (from 1)
    of a text file where the row begins."""

    message: str
    values: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None

    def __str__(self) -> str:
        """As it stands in outputs: English, with the line in front."""
        text = self.message % self.values if self.values else self.message
        return text if self.line is None else f"line {self.line}: {text}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a model takes: pictures, texts, or `tensors`, each of them with an open first axis."""

    kind: str
    tensors: tuple[TensorSpec, ...] = ()


@dataclass(slots=True)
class Rows:
    """Rows of an input, one behind the other, that run together.

    `keys` has every row. `faults` has, by index, those that cannot run. The others are either
    `items` (encoded pictures or texts, None where there is a fault; as long as `keys`) or `arrays`
    (tensors by input whose first axis is the rows without a fault, in order). `lines` has the line
    of each row of a text file.
    """

    keys: Keys
    faults: dict[int, Fault] = field(default_factory=dict)
    items: Sequence[bytes | str | None] | None = None
    arrays: Arrays | None = None
    lines: Sequence[int] | None = None

    def line(self, index: int) -> int | None:
        """The line of a row, where it has one."""
        return None if self.lines is None else int(self.lines[index])

    def only(self, indices: Sequence[int]) -> "Rows":
        """The rows at these indices, in order."""
        good = [index for index in range(len(self.keys)) if index not in self.faults]
        place = {index: number for number, index in enumerate(good)}
        at = [place[index] for index in indices if index in place]
        return Rows(
            keys=self.keys[np.asarray(indices)]
            if isinstance(self.keys, np.ndarray)
            else [self.keys[index] for index in indices],
            faults={n: self.faults[i] for n, i in enumerate(indices) if i in self.faults},
            items=None if self.items is None else [self.items[index] for index in indices],
            arrays=None if not self.arrays else {name: a[at] for name, a in self.arrays.items()},
            lines=None if self.lines is None else [self.lines[index] for index in indices],
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of one chunk lie; JSON, so that the plan of a job can be kept.

    `first` counts the rows of the whole input from 0. `kind` names the reader, `where` is its own.
    """

    kind: str
    first: int
    rows: int
    where: Mapping[str, Any]


class Files(Protocol):
    """The store, as far as reading inputs needs it. Errors are the store's own and pass through."""

    def open(self, key: str) -> IO[bytes]:
        """An object to be read from anywhere (`seek`, `read`), a window of it in memory at a time;
        FileNotFoundError where there is none."""

    def size(self, key: str) -> int:
        """Bytes of an object; FileNotFoundError where there is none."""

    def write(self, key: str) -> IO[bytes]:
        """A new object, in place of what was there; it appears whole, once closed."""

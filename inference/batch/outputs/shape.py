"""What an output looks like, and what is known of a part and of a whole output."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from inference.signature import TensorSpec

FORMATS = ("jsonl", "csv", "parquet")


class DamagedPart(Exception):
    """A part is not what its writer wrote; what was joined so far must be thrown away."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of an output; fixed when a job is planned, so that all its parts fit together.

    `version` is the model's and stands in each row. Where `classes`, predictions are the `top`
    best of `labels` by the output `scores`, which are `probabilities` or need a softmax; else they
    are the model's `outputs`. Keys are row numbers (int64) where `numbered`, else texts.
    """

    format: str
    version: str
    classes: bool
    top: int
    labels: tuple[str, ...]
    probabilities: bool
    outputs: tuple[TensorSpec, ...]
    scores: str
    numbered: bool

    def label(self, index: int) -> str:
        """What class `index` is called; its number where the owner named none."""
        return self.labels[index] if index < len(self.labels) else str(index)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back to an equal value."""
        return {
            "format": self.format,
            "version": self.version,
            "classes": self.classes,
            "top": self.top,
            "labels": list(self.labels),
            "probabilities": self.probabilities,
            "outputs": [tensor.as_json() for tensor in self.outputs],
            "scores": self.scores,
            "numbered": self.numbered,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read `as_json`'s answer; KeyError or TypeError for anything else."""
        outputs = tuple(TensorSpec.from_json(tensor) for tensor in value["outputs"])
        return cls(**{**value, "labels": tuple(value["labels"]), "outputs": outputs})


@dataclass(frozen=True, slots=True)
class Part:
    """A file of rows, ready to be joined: its rows, those of them with an error, bytes, and sum
    (hexadecimal). `checks` are its format's own. `Part(**asdict(part))` is equal."""

    rows: int
    failed: int
    size: int
    sha256: str
    checks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Joined:
    """A whole output: its rows, those of them with an error, bytes, and sums (hexadecimal)."""

    rows: int
    failed: int
    size: int
    sha256: str
    md5: str

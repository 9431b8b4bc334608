"""Rows on their way into a part: what the model said of each, or why it said nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from inference.batch.outputs import ranking
from inference.batch.outputs.ranking import Ranking
from inference.batch.outputs.shape import Shape
from inference.batch.rows import Fault, Keys
from inference.protocol.answers import NOT_FINITE
from inference.runtimes.base import Array, Arrays

Indices = npt.NDArray[np.intp]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows by index: `errors` of some, and predictions of the others, which are `fine`, in order.

    Predictions are a `ranking` (classifiers) or `outputs` by name; both go by the fine rows.
    """

    keys: Keys
    errors: Mapping[int, str]
    fine: Indices
    ranking: Ranking | None
    outputs: Arrays

    def spread(self, values: list[T], missing: T) -> list[T]:
        """Values of the fine rows in the places of all rows, `missing` in those of the others."""
        if not self.errors:
            return values
        spread = [missing] * len(self.keys)
        for index, value in zip(self.fine.tolist(), values, strict=True):
            spread[index] = value
        return spread


def batch_of(
    shape: Shape, keys: Keys, outputs: Arrays | None, faults: Mapping[int, Fault]
) -> Batch:
    """ValueError where the outputs are not those of the rows without a fault."""
    errors = {index: _text(str(fault)) for index, fault in faults.items()}
    without = np.ones(len(keys), np.bool_)
    without[list(errors)] = False
    fine = without.nonzero()[0]
    keys = keys if shape.numbered else _texts(keys)
    if not len(fine):
        return Batch(keys, errors, fine, None, {})
    wanted = [shape.scores] if shape.classes else [spec.name for spec in shape.outputs]
    known = {name: _by_rows(name, outputs or {}, len(fine)) for name in wanted}
    if not shape.classes:
        return Batch(keys, errors, fine, None, known)
    return _ranked(shape, keys, known[shape.scores], errors, fine)


def _ranked(
    shape: Shape, keys: Keys, scores: Array, errors: dict[int, str], fine: Indices
) -> Batch:
    """A row whose scores are no numbers fails alone."""
    finite = np.isfinite(scores).all(axis=1)
    errors.update(dict.fromkeys(fine[~finite].tolist(), NOT_FINITE))
    best = ranking.best(scores[finite], top=shape.top, already=shape.probabilities)
    return Batch(keys, errors, fine[finite], best, {})


def _by_rows(name: str, outputs: Arrays, length: int) -> Array:
    array = outputs.get(name)
    if array is None or array.shape[:1] != (length,):
        found = None if array is None else array.shape
        raise ValueError(f"output {name} should have {length} rows, and has the shape {found}")
    return array


def _texts(keys: Keys) -> list[str]:
    """Names from archives may hold bytes that are no text."""
    texts = list(keys)
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return [_text(text) for text in texts]
    return texts


def _text(text: str) -> str:
    return text.encode(errors="replace").decode()

"""From what a model puts out to what a caller reads."""

from typing import Any

import numpy as np
import numpy.typing as npt

from aihub.problems import N_, Problem
from inference.runtimes.base import Array, Arrays
from inference.signature import Signature
from inference.spec import ModelSpec

Scores = npt.NDArray[np.float64]
Ranked = list[dict[str, Any]]  # label and score, best first
NOT_FINITE = N_("The model answers these inputs with NaN or infinity.")


def ranked(outputs: Arrays, spec: ModelSpec, signature: Signature, top: int) -> list[Ranked]:
    """The `top` classes of each image or text, best first."""
    output = signature.scores
    assert output is not None  # processing accepts no other classifier
    scores = probabilities(outputs[output.name], already=signature.probabilities)
    return [_best(row, spec, top) for row in scores]


def probabilities(scores: Array, *, already: bool) -> Scores:
    """Rows of [N, classes] as distributions; Problem 422 where the model made no numbers."""
    wide = scores.astype(np.float64)
    if not np.isfinite(wide).all():
        raise Problem(422, NOT_FINITE)
    if already:
        return wide
    if wide.shape[1] == 1:  # one class: a softmax would always be certain
        return np.asarray(1 / (1 + np.exp(-wide)))
    exponents = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def rows(outputs: Arrays, length: int) -> list[Any]:
    """One prediction an input row; a single one where an output does not go by rows."""
    plain = {name: _plain(array) for name, array in outputs.items()}
    if any(array.shape[:1] != (length,) for array in outputs.values()):
        return [_only(plain)]
    return [_only({name: array[row] for name, array in plain.items()}) for row in range(length)]


def _best(row: Scores, spec: ModelSpec, top: int) -> Ranked:
    """Equal scores keep the order of the classes."""
    order = np.argsort(-row, kind="stable")[:top]
    return [{"label": spec.label(int(i)), "score": float(row[i])} for i in order]


def _only(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def _plain(array: Array) -> Any:
    """What the JSON encoder takes: numbers as they are, texts as lists."""
    if array.dtype.kind in "OSU":
        return array.tolist()
    return np.ascontiguousarray(array)

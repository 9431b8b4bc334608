"""How far a variant's answers are from the reference's, on the same inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from inference.optimising.inputs import Inputs
from inference.runtimes.base import Array, Arrays, LoadedModel
from inference.signature import Signature
from registry.refusals import N_, Refused

# A class is decided where its logit leads the next by this share of the logits' deviation.
DECIDED = 1 / 4
# Where there are no classes, outputs agree that differ by no more than this share of their norm.
CLOSE = 0.02
_SMALL, _MEDIUM, _LARGE = 1, 3, 8  # batch sizes, so that none of them is broken unseen
_SMALLS, _MEDIUMS = 8, 24  # how many inputs go in the smaller ones
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Comparison:
    """`agreement` is over the `decided` inputs, None where there are none."""

    decided: int
    agreement: float | None
    max_difference: float


@dataclass(frozen=True, slots=True)
class Answers:
    """One vector an input: a classifier's scores, else all of its numbers."""

    rows: Sequence[Array]
    classifies: bool
    probabilities: bool


def answers(model: LoadedModel, inputs: Inputs, signature: Signature, classifies: bool) -> Answers:
    """Run all inputs, in batches of 1, 3 and 8; Refused where there are no numbers to compare."""
    scores = signature.scores if classifies else None
    names = [scores.name] if scores else [o.name for o in signature.outputs if _is_number(o.dtype)]
    if not names:
        raise Refused(N_("The model's outputs are no numbers, so nothing can be compared."))
    rows = [row for batch in _batches(inputs) for row in _rows(model, inputs, batch, names)]
    return Answers(rows, scores is not None, signature.probabilities)


def compare(reference: Answers, candidate: Answers) -> Comparison:
    """The largest absolute difference, and how often both mean the same.

    Differences are of probabilities for a classifier, else of the outputs.
    Refused where the candidate's answers are no numbers though the reference's are.
    """
    if not all(np.isfinite(row).all() for row in candidate.rows):
        raise Refused(N_("Its answers hold NaN or infinity."))
    if reference.classifies:
        return _compare_scores(reference, candidate)
    pairs = list(zip(reference.rows, candidate.rows, strict=True))
    close = [np.linalg.norm(a - b) <= CLOSE * np.linalg.norm(a) for a, b in pairs]
    return Comparison(len(pairs), float(np.mean(close)), max(_distance(a, b) for a, b in pairs))


def _compare_scores(reference: Answers, candidate: Answers) -> Comparison:
    expected, found = np.stack(reference.rows), np.stack(candidate.rows)
    decided = _is_decided(_logits(expected, reference.probabilities))
    same = (expected.argmax(axis=1) == found.argmax(axis=1))[decided]
    likely = _probabilities(expected, reference.probabilities)
    difference = _distance(likely, _probabilities(found, reference.probabilities))
    return Comparison(len(same), float(same.mean()) if len(same) else None, difference)


def _is_decided(logits: Array) -> Array:
    """Which rows of [N, classes] have a class that rounding cannot turn.

    The error of bf16 grows with the numbers that are added up, so the lead is held against the
    deviation of all logits. Measured on EfficientNet-Lite0, a small net that rounding hurts, bf16
    moves leads by 9 % of it (one sigma): hardly ever by a quarter, which 149 of 200 views lead by.
    """
    if logits.shape[1] < 2:
        return np.ones(len(logits), dtype=bool)
    best = np.partition(logits, -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0] > DECIDED * logits.std())


def _logits(scores: Array, probabilities: bool) -> Array:
    return np.log(np.maximum(scores, _TINY)) if probabilities else scores


def _probabilities(scores: Array, probabilities: bool) -> Array:
    if probabilities:
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _distance(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max(initial=0.0))


def _batches(inputs: Inputs) -> Iterator[range]:
    """All indexes once, in ranges of the three sizes; of one where there is no batch axis."""
    start = 0
    while start < inputs.count:
        size = _SMALL if start < _SMALLS or not inputs.batched else _LARGE
        if size == _LARGE and start < _SMALLS + _MEDIUMS:
            size = _MEDIUM
        yield range(start, min(start + size, inputs.count))
        start += size


def _rows(model: LoadedModel, inputs: Inputs, batch: range, names: list[str]) -> list[Array]:
    outputs = model.predict(inputs.take(batch))
    if not inputs.batched:
        return [_vector(outputs, names)]
    return [_vector(outputs, names, index) for index in range(len(batch))]


def _vector(outputs: Arrays, names: list[str], index: int | None = None) -> Array:
    """All numbers of an answer, or of one item in it."""
    chosen = (outputs[name] if index is None else outputs[name][index] for name in names)
    return np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in chosen])


def _is_number(dtype: np.dtype[np.generic]) -> bool:
    return dtype.kind in "biuf"

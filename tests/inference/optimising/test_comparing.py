"""When a variant means the same as its reference."""

import numpy as np
import pytest

from inference.optimising.comparing import Answers, compare
from registry.refusals import Refused


def scores(*rows: list[float], probabilities: bool = False) -> Answers:
    return Answers([np.array(row) for row in rows], True, probabilities)


def vectors(*rows: list[float]) -> Answers:
    return Answers([np.array(row) for row in rows], False, False)


def test_only_decided_inputs_count() -> None:
    reference = scores([9, 0, 0], [0, 9, 0], [0.1, 0, 0])
    turned = scores([9, 0, 0], [9, 0, 0], [0, 0.1, 0])
    found = compare(reference, turned)
    assert (found.decided, found.agreement) == (2, 0.5)


def test_nothing_decided_is_no_agreement() -> None:
    assert compare(scores([1, 1]), scores([1, 1])).agreement is None


def test_one_class_is_always_decided() -> None:
    assert compare(scores([1], [2]), scores([1], [2])).agreement == 1


def test_a_classifiers_difference_is_of_probabilities() -> None:
    found = compare(scores([0, 0]), scores([100, 0]))
    assert found.max_difference == pytest.approx(0.5)


def test_probabilities_are_taken_as_they_are() -> None:
    reference = scores([0.9, 0.1], [0.2, 0.8], probabilities=True)
    found = compare(reference, scores([0.8, 0.2], [0.2, 0.8], probabilities=True))
    assert found.decided == 2
    assert found.max_difference == pytest.approx(0.1)


def test_vectors_agree_that_are_close_for_their_length() -> None:
    reference = vectors([100, 0], [0, 1], [0, 0])
    found = compare(reference, vectors([101, 0], [0, 1.1], [0, 0]))
    assert found.agreement == pytest.approx(2 / 3)
    assert found.max_difference == pytest.approx(1)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(Refused, match="NaN"):
        compare(vectors([1]), vectors([float("nan")]))

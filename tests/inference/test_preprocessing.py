"""What an owner may say about preprocessing."""

import pytest

from registry.preprocessing import IMAGENET_MEAN, Preprocessing
from registry.refusals import Refused


def test_it_reads_what_it_writes() -> None:
    given = Preprocessing(resize=(9, 8), crop=(7, 6), interpolation="box", mean=(0.5,), std=(2.0,))
    assert Preprocessing.parse(given.as_json()) == given


def test_a_crop_is_all_it_needs() -> None:
    assert Preprocessing.parse({"crop": 8}) == Preprocessing(resize=None, crop=(8, 8))


def test_a_fixed_size_needs_no_crop() -> None:
    assert Preprocessing.parse({"resize": [8, 9]}).crop == (8, 9)


def test_one_number_stands_for_every_channel() -> None:
    found = Preprocessing.parse({"crop": 8, "std": [1]})
    assert (found.mean, found.std) == (IMAGENET_MEAN, (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {},
        {"crop": 0},
        {"crop": 4097},
        {"crop": True},
        {"crop": 8.0},
        {"crop": [8]},
        {"crop": [8, 8, 8]},
        {"crop": [8, "8"]},
        {"crop": 8, "resize": -1},
        {"crop": 8, "resize": [1, 5000]},
        {"crop": 8, "resize": "8"},
        {"crop": 8, "interpolation": "BICUBIC"},
        {"crop": 8, "interpolation": []},
        {"crop": 8, "mean": 0.5},
        {"crop": 8, "mean": [0.5, 0.5]},
        {"crop": 8, "mean": [True]},
        {"crop": 8, "mean": [float("nan")]},
        {"crop": 8, "mean": [1e300]},
        {"crop": 8, "mean": [10**400]},
        {"crop": 8, "std": [0]},
        {"crop": 8, "std": [-1, 1, 1]},
        {"crop": 8, "size": 8},
        {"crop": 8, 1: 2},
    ],
)
def test_it_refuses_what_does_not_fit(value: object) -> None:
    with pytest.raises(Refused):
        Preprocessing.parse(value)

"""What two versions' callers would notice."""

from typing import Any

import pytest

from registry.signatures import Interface, compare, is_breaking


def tensor(name: str, datatype: str = "FP32", *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape or (-1, 4))}


X, Y = tensor("x"), tensor("y")


def interface(inputs: Any = (X,), outputs: Any = (Y,), **more: Any) -> Interface:
    return Interface({"inputs": list(inputs), "outputs": list(outputs)}, **more)


def found(old: Interface, new: Interface) -> list[tuple[str, bool]]:
    return [(difference.field, difference.breaking) for difference in compare(old, new)]


def test_the_same_differs_in_nothing() -> None:
    assert compare(interface(labels=["a"]), interface(labels=["a"])) == []


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([], [("inputs.x", True)]),
        ([tensor("z")], [("inputs.x", True), ("inputs.z", True)]),
        ([X, tensor("mask")], [("inputs.mask", True)]),
        ([tensor("x", "FP16")], [("inputs.x", True)]),
        ([tensor("x", "FP32", -1, 5)], [("inputs.x", True)]),
        ([tensor("x", "FP32", 1, 4)], [("inputs.x", True)]),
        ([tensor("x", "FP32", -1, -1)], [("inputs.x", False)]),
        ([tensor("x", "FP32", -1, 4, 1)], [("inputs.x", True)]),
    ],
)
def test_inputs_must_take_what_they_took(inputs: Any, expected: Any) -> None:
    assert found(interface(), interface(inputs)) == expected


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([], [("outputs.y", True)]),
        ([Y, tensor("more")], [("outputs.more", False)]),
        ([tensor("y", "INT64")], [("outputs.y", True)]),
        ([tensor("y", "FP32", -1, 5)], [("outputs.y", True)]),
        ([tensor("y", "FP32", -1, 4, 1)], [("outputs.y", True)]),
        ([tensor("y", "FP32", -1, -1)], [("outputs.y", True)]),
        ([tensor("y", "FP32", 1, 4)], [("outputs.y", False)]),
    ],
)
def test_outputs_must_hold_what_they_held(outputs: Any, expected: Any) -> None:
    assert found(interface(), interface(outputs=outputs)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"num_classes": 10}, {"num_classes": 12}, [("classes", True)]),
        ({"labels": ["a", "b"]}, {"num_classes": 3}, [("classes", True)]),
        ({"labels": ["a", "b"]}, {"labels": ["a", "c"]}, [("labels", True)]),
        ({"labels": ["a", "b"]}, {"labels": ["b", "a"]}, [("labels", True)]),
        ({"num_classes": 2}, {"labels": ["a", "b"]}, []),
        ({"labels": ["a", "b"]}, {"num_classes": 2}, []),
        ({"labels": ["a", "b"]}, {}, []),
    ],
)
def test_classes_stay_in_their_places(old: Any, new: Any, expected: Any) -> None:
    assert found(interface(**old), interface(**new)) == expected


@pytest.mark.parametrize("unknown", [Interface(), Interface({"inputs": [], "outputs": []})])
def test_what_is_not_known_breaks_nothing(unknown: Interface) -> None:
    assert not is_breaking(compare(Interface(), interface()))
    assert not is_breaking(compare(interface(), Interface()))
    assert compare(unknown, unknown) == []


def test_pictures_of_another_size_are_the_hubs_matter() -> None:
    small, large = (
        interface([tensor("x", "FP32", -1, 3, n, n)], pictures=True) for n in (224, 240)
    )
    grey = interface([tensor("x", "FP32", -1, 1, 224, 224)], pictures=True)
    assert found(small, large) == [("inputs.x", False)]
    assert found(small, grey) == [("inputs.x", True)]
    assert is_breaking(compare(interface(small.signature["inputs"]), large))


def test_every_difference_can_be_read() -> None:
    old = interface([X, tensor("gone")], labels=["100 %"])
    new = interface([tensor("x", "INT8", -1, 5), tensor("new")], [], labels=["5 %"])
    for difference in compare(old, new):
        assert "%(" not in difference.message % difference.values

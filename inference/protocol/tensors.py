"""Nested JSON arrays to tensors, checked number by number before NumPy sees them."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from aihub.problems import N_, Problem
from inference.runtimes.base import Array, Arrays
from inference.signature import TensorSpec, described

FIELD = "inputs"


class Misfit(Exception):
    """Why a value is no such tensor: a translatable template and its values."""

    def __init__(self, message: str, /, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values


def read_tensors(value: object, specs: Sequence[TensorSpec]) -> Arrays:
    """All inputs by name: from an object, or an array where there is one input only.

    Raises Problem 422 that says what each is expected to be.
    """
    if isinstance(value, Mapping):
        given = _by_name(value, specs)
    elif len(specs) == 1:
        given = {specs[0].name: value}
    else:
        raise _expected(specs)
    arrays = {spec.name: _tensor(given[spec.name], spec) for spec in specs}
    _check_batch(arrays, specs)
    return arrays


def _by_name(value: Mapping[str, Any], specs: Sequence[TensorSpec]) -> Mapping[str, Any]:
    if set(value) != {spec.name for spec in specs}:
        raise _expected(specs)
    return value


def _expected(specs: Sequence[TensorSpec]) -> Problem:
    return Problem(
        422, N_("“inputs” must hold these tensors: %(tensors)s."), tensors=described(specs)
    )


def _tensor(value: object, spec: TensorSpec) -> Array:
    try:
        return to_tensor(value, spec)
    except Misfit as misfit:
        raise Problem(
            422,
            N_("An input does not fit; expected is %(tensor)s."),
            errors=[{"field": f"{FIELD}.{spec.name}", "detail": misfit}],
            tensor=described([spec]),
        ) from misfit


def to_tensor(value: object, spec: TensorSpec) -> Array:
    """One tensor; Misfit for ragged arrays, other shapes, other types, numbers out of range."""
    shape = _shape(value, len(spec.shape))
    if not spec.fits(shape) or 0 in shape:
        raise Misfit(N_("The shape is %(shape)s."), shape=list(shape))
    flat = _flat(value, shape)
    _check_types(flat, spec)
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype=spec.dtype).reshape(shape)
    except OverflowError:
        raise _out_of_range(spec) from None
    if spec.is_float and not np.isfinite(array).all():
        raise _out_of_range(spec)
    return array


def _shape(value: object, rank: int) -> tuple[int, ...]:
    """The lengths down the first elements, as deep as `rank`."""
    shape: list[int] = []
    while len(shape) < rank:
        if not isinstance(value, list):
            raise Misfit(
                N_("The array has %(found)s dimensions, not %(rank)s."),
                found=len(shape),
                rank=rank,
            )
        shape.append(len(value))
        value = value[0] if value else []
    return tuple(shape)


def _flat(value: object, shape: tuple[int, ...]) -> list[Any]:
    """All elements in order; Misfit where an array is longer or shorter than the first."""
    level: list[Any] = [value]
    for axis, length in enumerate(shape):
        if any(type(row) is not list or len(row) != length for row in level):
            raise Misfit(N_("The array is ragged in dimension %(axis)s."), axis=axis)
        level = list(chain.from_iterable(level))
    return level


def _check_types(flat: list[Any], spec: TensorSpec) -> None:
    """JSON's types are told apart: NumPy would read texts, true and null as numbers."""
    allowed: set[type]
    if spec.datatype == "BYTES":
        allowed = {str}
    elif spec.datatype == "BOOL":
        allowed = {bool}
    else:
        allowed = {int, float} if spec.is_float else {int}
    if not set(map(type, flat)) <= allowed:
        raise Misfit(N_("The elements are not all %(datatype)s."), datatype=spec.datatype)


def _out_of_range(spec: TensorSpec) -> Misfit:
    return Misfit(N_("A number is out of the range of %(datatype)s."), datatype=spec.datatype)


def _check_batch(arrays: Arrays, specs: Sequence[TensorSpec]) -> None:
    """Inputs with an open first axis are rows of one batch."""
    lengths = {len(arrays[spec.name]) for spec in specs if spec.shape[:1] == (-1,)}
    if len(lengths) > 1:
        raise Problem(422, N_("The inputs differ in their number of rows."))

"""Tensors as the Open Inference Protocol writes them in JSON: flat or nested lists."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from aihub.problems import N_
from inference.protocol.tensors import Misfit
from inference.protocol.v2.binary import unknown_datatype
from inference.runtimes.base import Array
from inference.signature import DATATYPES

# JSON's types are told apart: NumPy would read texts and true as numbers.
_TYPES: Mapping[str, frozenset[type]] = {
    **dict.fromkeys(DATATYPES, frozenset({int})),
    **dict.fromkeys(("FP16", "FP32", "FP64"), frozenset({int, float})),
    "BOOL": frozenset({bool}),
    "BYTES": frozenset({str}),
}


def json_to_array(datatype: str, shape: Sequence[int], data: object) -> Array:
    """A tensor of JSON's elements, texts as `str`; Misfit for other types, numbers or lengths."""
    types = _TYPES.get(datatype)
    if types is None:
        raise unknown_datatype(datatype)
    if type(data) is not list:
        raise Misfit(N_("“data” must be an array."))
    flat = _flattened(data, shape) if data and type(data[0]) is list else data
    if len(flat) != math.prod(shape):
        raise Misfit(
            N_("%(shape)s takes %(expected)s elements, not %(found)s."),
            shape=list(shape),
            expected=math.prod(shape),
            found=len(flat),
        )
    if not types.issuperset(map(type, flat)):
        raise Misfit(N_("The elements are not all %(datatype)s."), datatype=datatype)
    return _converted(flat, datatype).reshape(shape)


def _converted(flat: list[Any], datatype: str) -> Array:
    """JSON itself has no NaN and no infinity, so that only numbers out of range are found."""
    try:
        with np.errstate(over="raise"):
            return np.array(flat, DATATYPES[datatype])
    except (OverflowError, FloatingPointError):
        raise Misfit(
            N_("A number is out of the range of %(datatype)s."), datatype=datatype
        ) from None


def _flattened(data: list[Any], shape: Sequence[int]) -> list[Any]:
    """The elements of lists that are nested as the shape says; Misfit for any other."""
    level: list[Any] = [data]
    for length in shape:
        if any(type(row) is not list or len(row) != length for row in level):
            raise Misfit(N_("“data” is not nested as %(shape)s says."), shape=list(shape))
        level = list(chain.from_iterable(level))
    return level


def array_to_json(array: Array) -> Any:
    """What orjson writes as one flat list: numbers as they are, texts as `str`."""
    if array.dtype.kind not in "OSU":
        return array.ravel()
    return [
        e.decode(errors="replace") if isinstance(e, bytes) else str(e)
        for e in array.ravel().tolist()
    ]

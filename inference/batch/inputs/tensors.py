"""Tensors of a row, or of many at once, from the values of a table."""

import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from aihub.problems import N_
from inference.batch.inputs.json_values import MAX_DEPTH, NoJson, json_value
from inference.runtimes.base import Array
from inference.signature import TensorSpec

MISSING = N_("Column “%(column)s” is missing.")
EMPTY = N_("Column “%(column)s” is empty.")
NO_NUMBER = N_("Column “%(column)s” is no number: “%(value)s”.")
NO_INTEGER = N_("Column “%(column)s” is no whole number: “%(value)s”.")
NO_BOOL = N_("Column “%(column)s” is neither true nor false: “%(value)s”.")
NO_TEXT = N_("Column “%(column)s” is no text.")
NO_LIST = N_("Column “%(column)s” is no list.")
NOT_FINITE = N_("Column “%(column)s” is not finite: “%(value)s”.")
RANGE = N_("Column “%(column)s” is out of the range of %(datatype)s: “%(value)s”.")
SHAPE = N_("Column “%(column)s” has the shape %(found)s instead of %(expected)s.")
DEEP = N_("Column “%(column)s” holds lists within lists, too deep.")
UNEVEN = N_("Column “%(column)s” holds lists of different lengths.")

TRUE, FALSE = ("1", "true", "TRUE", "True"), ("0", "false", "FALSE", "False")
_FLOAT = re.compile(r"[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*\Z")
_WHOLE = re.compile(r"[ \t]*[+-]?[0-9]{1,40}[ \t]*\Z")
_ENDLESS = frozenset({"nan", "inf", "infinity"})


class Bad(Exception):
    """Why a row cannot run: a translatable template and its values."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message)
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Target:
    """An input of the model (or `image`, `image_key`, `text`) and the columns it is made of."""

    name: str
    columns: tuple[str, ...]
    spec: TensorSpec | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row: without the tensor's first axis."""
        assert self.spec is not None
        return self.spec.shape[1:]

    @property
    def scalar(self) -> bool:
        """Whether a row is one element."""
        return all(length == 1 for length in self.shape)


def tensor(target: Target, values: Sequence[Any]) -> Array:
    """A row's tensor from the values of its columns; or Bad."""
    spec = target.spec
    assert spec is not None
    if len(values) == 1:
        return _from_value(target, values[0])
    for column, value in zip(target.columns, values, strict=True):
        _check(spec, value, column)
    array = _cast(spec, list(values), target.columns)
    return _shaped(target, array, target.columns[0])


def _from_value(target: Target, value: Any) -> Array:
    column, spec = target.columns[0], target.spec
    assert spec is not None
    if not isinstance(value, list):
        _check(spec, value, column)
        if not target.scalar and -1 not in target.shape:
            raise Bad(NO_LIST, column=column)
        return _shaped(target, _cast(spec, [value], (column,)), column)
    shape, flat = _flattened(value, column)
    for element in _odd(spec, flat):
        _check(spec, element, column)
    return _shaped(target, _cast(spec, flat, (column,)).reshape(shape), column)


def _flattened(value: list[Any], column: str) -> tuple[list[int], list[Any]]:
    """The shape of nested lists, and their elements; or Bad where they are uneven."""
    shape, level = [len(value)], value
    while level and isinstance(level[0], list):
        if len(shape) == MAX_DEPTH:
            raise Bad(DEEP, column=column)
        length = len(level[0])
        if not all(isinstance(item, list) and len(item) == length for item in level):
            raise Bad(UNEVEN, column=column)
        shape.append(length)
        level = list(chain.from_iterable(level))
    return shape, level


def _odd(spec: TensorSpec, flat: list[Any]) -> Iterator[Any]:
    """Elements of types that do not belong: those that are worth a look."""
    types = TYPES[spec.dtype.kind]
    if not types.issuperset(map(type, flat)):
        yield from (element for element in flat if type(element) not in types)


TYPES = {
    "f": frozenset({int, float}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool}),
    "O": frozenset({str, bytes}),
}
_WRONG = {"f": NO_NUMBER, "i": NO_INTEGER, "u": NO_INTEGER, "b": NO_BOOL, "O": NO_TEXT}


def _check(spec: TensorSpec, value: Any, column: str) -> None:
    """Bad for a value of a type that the tensor's elements do not have."""
    if value is None:
        raise Bad(EMPTY, column=column)
    if isinstance(value, list):
        raise Bad(UNEVEN, column=column)
    if type(value) not in TYPES[spec.dtype.kind]:
        raise Bad(_WRONG[spec.dtype.kind], column=column, value=shown(value))


def _cast(spec: TensorSpec, flat: list[Any], columns: Sequence[str]) -> Array:
    """Elements as the tensor's type; Bad names the column of the first that is out of range."""
    if spec.dtype.kind == "O":
        array = np.empty(len(flat), np.object_)
        array[:] = flat
        return array
    converted = _numbers(spec, flat)
    if converted is None or (spec.is_float and not np.isfinite(converted).all()):
        raise _out_of_range(spec, flat, columns)
    return converted


def _numbers(spec: TensorSpec, flat: list[Any]) -> Array | None:
    """Fractions go through 64 bits, whichever way they are read."""
    try:
        with np.errstate(over="ignore"):
            if spec.is_float:
                return np.array(flat, np.float64).astype(spec.dtype)
            return np.array(flat, spec.dtype)
    except OverflowError:
        return None


def _out_of_range(spec: TensorSpec, flat: list[Any], columns: Sequence[str]) -> Bad:
    for index, value in enumerate(flat):
        column = columns[index] if len(columns) == len(flat) else columns[0]
        if isinstance(value, float) and not np.isfinite(value):
            return Bad(NOT_FINITE, column=column, value=shown(value))
        if not _in_range(spec, value):
            return Bad(RANGE, column=column, datatype=spec.datatype, value=shown(value))
    return Bad(RANGE, column=columns[0], datatype=spec.datatype, value="")


def _in_range(spec: TensorSpec, value: Any) -> bool:
    limits: Any = np.finfo(spec.dtype) if spec.is_float else np.iinfo(spec.dtype)
    return bool(int(limits.min) <= value <= int(limits.max))


def _shaped(target: Target, array: Array, column: str) -> Array:
    """The array in the shape of a row; a flat one is taken for any that has its elements."""
    shape = target.shape
    if len(array.shape) == len(shape) and all(
        wanted in (-1, length) for wanted, length in zip(shape, array.shape, strict=True)
    ):
        return array
    if array.ndim == 1 and shape.count(-1) == 0 and array.size == np.prod(shape, dtype=int):
        return array.reshape(shape)
    raise Bad(SHAPE, column=column, found=list(array.shape), expected=list(shape))


def all_together(target: Target, values: list[Any]) -> Array | None:
    """The same of values that are numbers, or lists of one length of them."""
    spec, shape = target.spec, [len(values)]
    assert spec is not None
    if isinstance(values[0], list):
        shape.append(len(values[0]))
        if not all(type(value) is list and len(value) == shape[1] for value in values):
            return None
        values = list(chain.from_iterable(values))
    if spec.dtype.kind == "O" or not TYPES[spec.dtype.kind].issuperset(map(type, values)):
        return None
    array = _numbers(spec, values)
    return None if array is None else together(target, array.reshape(shape))


def together(target: Target, array: Array) -> Array | None:
    """Rows that were read as one array, first axis the rows, as the tensor's type and shape; None
    where any of them is not as it should be, so that each has to be looked at."""
    spec, row = target.spec, array.shape[1:]
    assert spec is not None
    fits = len(row) == len(target.shape) and spec.fits(array.shape[:1] + row)
    if not fits:
        if (
            -1 in target.shape
            or len(row) > 1
            or np.prod(row, dtype=int) != np.prod(target.shape, dtype=int)
        ):
            return None
        array = array.reshape(len(array), *target.shape)
    return _converted(spec, array)


def _converted(spec: TensorSpec, array: Array) -> Array | None:
    source, wanted = array.dtype.kind, spec.dtype.kind
    if wanted == "f" and source in "fiu":
        with np.errstate(over="ignore"):
            array = array.astype(spec.dtype, copy=False)
        return array if _finite(array) else None
    if wanted in "iu" and source in "iu":
        limits = np.iinfo(spec.dtype)
        if array.size and not (int(array.min()) >= limits.min and int(array.max()) <= limits.max):
            return None
        return array.astype(spec.dtype, copy=False)
    return array if source == wanted == "b" else None


def _finite(array: Array) -> bool:
    """A sum is finite only where every number is; it overflows rarely, and then all are seen."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def parsed(target: Target) -> Callable[[str, str], Any]:
    """How a cell of CSV becomes a value of this input: (cell, column) -> value, or Bad."""
    spec = target.spec
    assert spec is not None
    if len(target.columns) == 1 and not target.scalar:
        return _json_cell
    return {"f": _float_cell, "b": _bool_cell, "O": _text_cell}.get(spec.dtype.kind, _whole_cell)


def _float_cell(cell: str, column: str) -> float:
    if not _FLOAT.match(cell):
        message = NOT_FINITE if cell.strip().lstrip("+-").lower() in _ENDLESS else NO_NUMBER
        raise Bad(message, column=column, value=shown(cell))
    return float(cell)


def _whole_cell(cell: str, column: str) -> int:
    if not _WHOLE.match(cell):
        message = NO_INTEGER if _FLOAT.match(cell) else NO_NUMBER
        raise Bad(message, column=column, value=shown(cell))
    return int(cell)


def _bool_cell(cell: str, column: str) -> bool:
    if cell not in TRUE + FALSE:
        raise Bad(NO_BOOL, column=column, value=shown(cell))
    return cell in TRUE


def _text_cell(cell: str, column: str) -> str:
    return cell


def _json_cell(cell: str, column: str) -> Any:
    try:
        return json_value(cell)
    except NoJson:
        raise Bad(NO_LIST, column=column) from None


def shown(value: object) -> str:
    """The beginning of a value, for a person."""
    text = value if isinstance(value, str) else reprlib.repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def is_number(cell: str) -> bool:
    """Whether a cell is a number of any kind."""
    return bool(_FLOAT.match(cell))

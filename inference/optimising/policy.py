"""Which variant serves: an owner's precision against what was measured."""

import math
from collections.abc import Iterable
from typing import Protocol

from inference.optimising.task import MADE_UP, OWNER, READY

EXACT, FAST, INT8 = "exact", "fast", "int8"
MAX_DIFFERENCE = 1e-3  # absolute, of probabilities, or of outputs where there are none
MIN_AGREEMENT = 0.98
MIN_INPUTS = 200


class Row(Protocol):
    """A line of the table of variants."""

    @property
    def name(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def reference(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def inputs(self) -> int: ...
    @property
    def inputs_from(self) -> str: ...
    @property
    def decided(self) -> int: ...
    @property
    def agreement(self) -> float | None: ...
    @property
    def max_difference(self) -> float | None: ...
    @property
    def rate_1(self) -> float | None: ...
    @property
    def rate_8(self) -> float | None: ...


def choose(precision: str, rows: Iterable[Row], pinned: str = "") -> str | None:
    """The name of the variant that serves, None for the reference.

    The pinned one if it is ready; else the fastest that the precision allows.
    """
    ready = [row for row in rows if row.state == READY]
    held = next((row for row in ready if row.name == pinned), None)
    if held is not None:
        return None if held.reference else held.name
    allowed = [row for row in ready if row.reference or _allowed(precision, row)]
    fastest = max(allowed, key=lambda row: (_rate(row), row.reference, row.name), default=None)
    if fastest is None or not any(row.reference for row in ready):
        return None
    return None if fastest.reference else fastest.name


def _allowed(precision: str, row: Row) -> bool:
    if row.precision == "int8":
        return precision == INT8 and _agrees(row) and row.inputs_from == OWNER
    return _is_exact(row) or (precision in (FAST, INT8) and _is_faithful(row))


def _is_exact(row: Row) -> bool:
    """On made-up inputs a small difference says something about FP32 only."""
    known = row.precision == "fp32" or row.inputs_from != MADE_UP
    return known and row.max_difference is not None and row.max_difference <= MAX_DIFFERENCE


def _is_faithful(row: Row) -> bool:
    return _agrees(row) and row.inputs >= MIN_INPUTS and row.inputs_from != MADE_UP


def _agrees(row: Row) -> bool:
    return row.decided > 0 and row.agreement is not None and row.agreement >= MIN_AGREEMENT


def _rate(row: Row) -> float:
    """The geometric mean of the rates: neither batch size outweighs the other."""
    return math.sqrt((row.rate_1 or 0.0) * (row.rate_8 or 0.0))

"""Rows, whatever the blocks in which they were read, in groups that run together."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from inference.batch.rows import TENSORS, Fault, Keys, Rows, Wanted
from inference.runtimes.base import Arrays

MAX_WEIGHT = 64 << 20  # bytes of pictures that are together

Outcome = Arrays | bytes | str | Fault


def rows_from(keys: Keys, outcomes: Sequence[Outcome], kind: str) -> Iterator[Rows]:
    """Rows from what became of each; tensors of different shapes are not together."""
    if kind != TENSORS:
        faults = {i: value for i, value in enumerate(outcomes) if isinstance(value, Fault)}
        yield Rows(keys, faults, items=[_item(value) for value in outcomes])
        return
    start = 0
    for end in [*_changes(outcomes), len(outcomes)]:
        if end > start:
            yield _run(keys[start:end], outcomes[start:end])
        start = end


def regrouped(blocks: Iterable[Rows], wanted: Wanted, batch: int) -> Iterator[Rows]:
    """The same rows, `batch` together where their shapes and weight allow it."""
    held: list[Rows] = []
    count = weight = 0
    for block in blocks:
        start, heavy = 0, _weight(block)
        if held and (not _together(held, block) or weight + heavy > MAX_WEIGHT):
            yield _joined(held, wanted)
            held, count, weight = [], 0, 0
        while start < len(block.keys):
            end = min(start + batch - count, len(block.keys))
            held.append(_part(block, start, end))
            count, weight, start = count + end - start, weight + heavy, end
            if count == batch:
                yield _joined(held, wanted)
                held, count, weight = [], 0, 0
    if held:
        yield _joined(held, wanted)


def _item(value: Outcome) -> bytes | str | None:
    return value if isinstance(value, bytes | str) else None


def _shapes(arrays: Arrays) -> dict[str, Any]:
    return {name: array.shape for name, array in arrays.items()}


def _changes(outcomes: Sequence[Outcome]) -> Iterator[int]:
    """Where the shapes of tensors change; a fault goes with those before it."""
    last = None
    for index, value in enumerate(outcomes):
        if isinstance(value, dict):
            shapes = _shapes(value)
            if last is not None and shapes != last:
                yield index
            last = shapes


def _run(keys: Keys, outcomes: Sequence[Outcome]) -> Rows:
    faults = {i: value for i, value in enumerate(outcomes) if isinstance(value, Fault)}
    good = [value for value in outcomes if isinstance(value, dict)]
    arrays = {name: np.stack([value[name] for value in good]) for name in good[0]} if good else None
    return Rows(keys, faults, arrays=arrays)


def _weight(block: Rows) -> int:
    """Only pictures, which come one by one, can be too heavy together."""
    if block.items is None or len(block.keys) > 1:
        return 0
    return len(block.items[0] or b"")


def _together(held: list[Rows], block: Rows) -> bool:
    """Blocks without arrays (nothing but faults) go with any."""
    last = next((rows.arrays for rows in reversed(held) if rows.arrays is not None), None)
    if last is None or block.arrays is None:
        return True
    return all(last[name].shape[1:] == array.shape[1:] for name, array in block.arrays.items())


def _part(block: Rows, start: int, end: int) -> Rows:
    if start == 0 and end == len(block.keys):
        return block
    places = sorted(block.faults)
    first, last = bisect_left(places, start), bisect_left(places, end)
    faults = {index - start: block.faults[index] for index in places[first:last]}
    items = None if block.items is None else block.items[start:end]
    good = slice(start - first, end - last)
    arrays = block.arrays and {name: array[good] for name, array in block.arrays.items()}
    if good.start == good.stop:
        arrays = None
    return Rows(block.keys[start:end], faults, items, arrays)


def _joined(held: list[Rows], wanted: Wanted) -> Rows:
    rows = held[0] if len(held) == 1 else _concatenated(held, wanted.kind)
    if wanted.kind == TENSORS and rows.arrays is None:
        rows.arrays = {
            spec.name: np.empty((0, *(max(length, 0) for length in spec.shape[1:])), spec.dtype)
            for spec in wanted.tensors
        }
    return rows


def _concatenated(held: list[Rows], kind: str) -> Rows:
    faults: dict[int, Fault] = {}
    count = 0
    for rows in held:
        faults.update({count + index: fault for index, fault in rows.faults.items()})
        count += len(rows.keys)
    if kind != TENSORS:
        return Rows(_keys(held), faults, items=[i for rows in held for i in rows.items or ()])
    arrays = [rows.arrays for rows in held if rows.arrays is not None]
    joined = (
        {name: np.concatenate([a[name] for a in arrays]) for name in arrays[0]} if arrays else None
    )
    return Rows(_keys(held), faults, arrays=joined)


def _keys(held: list[Rows]) -> Keys:
    if all(isinstance(rows.keys, np.ndarray) for rows in held):
        return np.concatenate([rows.keys for rows in held])
    return [key for rows in held for key in rows.keys]

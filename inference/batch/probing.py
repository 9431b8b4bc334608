"""How many rows a model computes best together, found by trying."""

import time
from collections.abc import Callable

import numpy as np

from inference.runtimes.base import Arrays

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
MOST_BYTES = 32 * 1024 * 1024  # of a batch's inputs
TRIES_FOR = 2.0  # seconds, all sizes together
RUNS = 3
WORTH = 1.05  # how much faster a larger batch must be


def best_batch(outputs: Callable[[Arrays], Arrays], sample: Arrays, most: int) -> tuple[int, float]:
    """The smallest batch of about the best rate, and its seconds a row. Blocks for seconds.

    `sample` has at least one row of each input; rows are repeated to fill a batch.
    """
    until = time.monotonic() + TRIES_FOR
    best, seconds = 1, _seconds_a_row(outputs, sample, 1)
    for size in SIZES[1:]:
        if size > most or size * _bytes_a_row(sample) > MOST_BYTES or time.monotonic() > until:
            break
        found = _seconds_a_row(outputs, sample, size)
        if found * WORTH < seconds:
            best, seconds = size, found
    return best, seconds


def _seconds_a_row(outputs: Callable[[Arrays], Arrays], sample: Arrays, size: int) -> float:
    """Of the quickest of a few runs, after one that prepares for the size: others may be busy."""
    batch = {name: _repeated(array, size) for name, array in sample.items()}
    outputs(batch)
    return min(_timed(outputs, batch) for _ in range(RUNS)) / size


def _timed(outputs: Callable[[Arrays], Arrays], batch: Arrays) -> float:
    started = time.perf_counter()
    outputs(batch)
    return time.perf_counter() - started


def _repeated(array: np.ndarray, size: int) -> np.ndarray:
    return np.ascontiguousarray(array[np.arange(size) % len(array)])


def _bytes_a_row(sample: Arrays) -> int:
    return sum(array.nbytes // len(array) for array in sample.values())

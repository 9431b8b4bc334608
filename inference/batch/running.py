"""Rows through a loaded model: reading, decoding, computing and writing, all at the same time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from aihub.problems import N_, Problem
from inference.batch.ahead import ahead
from inference.batch.rows import Fault, Rows
from inference.batch.watch import Watch
from inference.engine.loads import Source
from inference.images import Tensor, UnreadableImage, read
from inference.runtimes.base import Arrays, Unfit

UNFIT = N_("The model cannot compute this row: %(error)s.")

Write = Callable[[Rows, Arrays | None, dict[int, Fault]], None]


class Stopped(Exception):
    """The work is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A model that is ready for batches. `threads` decode; `pixels` is the most of a picture."""

    source: Source
    by_rows: bool
    threads: int
    pixels: int
    watch: Watch

    def outputs(self, arrays: Arrays) -> Arrays:
        """One run; Unfit where the model cannot, or takes too long."""
        with self.watch.over(self.source.model):
            return self.source.model.predict(arrays)


@dataclass(slots=True)
class Computed:
    """Rows with their faults so far, and what goes into or came out of the model for the others."""

    rows: Rows
    arrays: Arrays | None
    faults: dict[int, Fault]


def run(slices: Iterator[Rows], runner: Runner, write: Write, stop: Callable[[], bool]) -> None:
    """Compute rows in order and hand them to `write`; Stopped once `stop` says so."""
    with ThreadPoolExecutor(runner.threads, "batch decode") as pool:
        decoded = ahead(_decoded(ahead(slices), runner, pool))
        computed = ahead(_computed(decoded, runner))
        try:
            for done in computed:
                if stop():
                    raise Stopped
                write(done.rows, done.arrays, done.faults)
        finally:
            computed.close()  # type: ignore[attr-defined]


def _decoded(
    slices: Iterator[Rows], runner: Runner, pool: ThreadPoolExecutor
) -> Iterator[Computed]:
    for rows in slices:
        yield decode(rows, runner, pool)


def decode(rows: Rows, runner: Runner, pool: ThreadPoolExecutor) -> Computed:
    """The model's inputs of rows, with a fault for each that has none; what they were made of,
    which may be large, is let go."""
    faults = dict(rows.faults)
    if rows.items is None:
        return Computed(rows, rows.arrays, faults)
    if runner.source.spec.takes_texts:
        arrays = _tokens(rows, runner, faults)
    else:
        arrays = _pixels(rows, runner, faults, pool)
    return Computed(replace(rows, items=None), arrays, faults)


def _pixels(
    rows: Rows, runner: Runner, faults: dict[int, Fault], pool: ThreadPoolExecutor
) -> Arrays | None:
    preprocessing = runner.source.spec.preprocessing
    assert preprocessing is not None  # processing gives every classifier of images its own
    assert rows.items is not None

    def tensor(index: int, item: bytes | str | None) -> Tensor | Fault | None:
        if not isinstance(item, bytes):
            return None
        try:
            return read(item, preprocessing, runner.pixels)
        except UnreadableImage as error:  # which would keep the picture, as long as it is kept
            return Fault(error.message, error.values, rows.line(index))

    tensors: list[Tensor] = []
    for index, found in enumerate(pool.map(tensor, count(), rows.items)):
        if isinstance(found, Fault):
            faults[index] = found
        elif found is not None:
            tensors.append(found)
    name = runner.source.model.signature.inputs[0].name
    return {name: np.stack(tensors)} if tensors else None


def _tokens(rows: Rows, runner: Runner, faults: dict[int, Fault]) -> Arrays | None:
    encoder = runner.source.encoder
    assert encoder is not None  # no model of texts is ready without
    assert rows.items is not None
    texts = [(i, item) for i, item in enumerate(rows.items) if isinstance(item, str)]
    try:
        return encoder.encode([text for _, text in texts]) if texts else None
    except Problem:
        pass
    fit = []
    for index, text in texts:
        try:
            encoder.encode([text])
            fit.append(text)
        except Problem as problem:
            faults[index] = Fault(problem.message, problem.values, rows.line(index))
    return encoder.encode(fit) if fit else None


def _computed(decoded: Iterator[Computed], runner: Runner) -> Iterator[Computed]:
    for ready in decoded:
        yield compute(ready, runner)


def compute(ready: Computed, runner: Runner) -> Computed:
    """The model's outputs, by rows; a row that it cannot compute gets a fault."""
    if not ready.arrays:
        return Computed(ready.rows, None, ready.faults)
    count = len(next(iter(ready.arrays.values())))
    if runner.by_rows:
        with suppress(Unfit):
            outputs = runner.outputs(ready.arrays)
            if all(array.shape[:1] == (count,) for array in outputs.values()):
                return Computed(ready.rows, outputs, ready.faults)
    return _one_by_one(ready, runner, count)


def _one_by_one(ready: Computed, runner: Runner, count: int) -> Computed:
    assert ready.arrays is not None
    faults, found = dict(ready.faults), []
    good = [index for index in range(len(ready.rows.keys)) if index not in faults]
    for index, place in zip(good, range(count), strict=True):
        try:
            found.append(_alone(runner, ready.arrays, place))
        except Unfit as error:
            message = str(error)[:300].rstrip(".")
            faults[index] = Fault(UNFIT, {"error": message}, ready.rows.line(index))
    return Computed(ready.rows, _stacked(found), faults)


def _alone(runner: Runner, arrays: Arrays, place: int) -> Arrays:
    """One row's outputs, each with a first axis of one."""
    outputs = runner.outputs({name: array[place : place + 1] for name, array in arrays.items()})
    return {name: a if a.shape[:1] == (1,) else a[np.newaxis] for name, a in outputs.items()}


def _stacked(found: Sequence[Arrays]) -> Arrays | None:
    if not found:
        return None
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

"""Loading one model: what it is made from, warming it, and measuring what it takes."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inference.engine import memory
from inference.runtimes.base import RUN_LIMIT, Array, Arrays, LoadedModel, run_limited
from inference.sampling import made_up
from inference.signature import Signature
from inference.spec import ModelSpec

WARM_FOR = 0.5  # seconds; a batch size that was never seen costs its first caller 5 to 28 ms
WARM_BATCHES = (1, 2, 3, 4, 5, 6, 7, 8, 16)
_OVERHEAD = 1.5  # memory of a loaded model to the size of its files, before it is measured
QUICK = 100e-6  # seconds of a run: asking another thread and hearing from it costs as much
_TIMED = 9
_PAIR = 2
_TOLERANCE = 0.05  # of the largest number: what one row may differ by in company, at bf16


class Encoder(Protocol):
    """What turns texts into a model's inputs."""

    def encode(self, texts: Sequence[str]) -> Arrays:
        """Inputs by name, one row a text."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a loader gives: the model, what it was made from, and its tokenizer if it has one."""

    spec: ModelSpec
    model: LoadedModel
    encoder: Encoder | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be loaded, once its files are here: `load` blocks and may raise Refused."""

    spec: ModelSpec
    size: int  # bytes of its files
    memory: int  # bytes once loaded, where that was measured before; else 0
    load: Callable[[], Source]

    @property
    def estimate(self) -> int:
        """Bytes to make room for."""
        return self.memory or int(self.size * _OVERHEAD)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A warm model. `size` is what it takes in bytes; `by_rows` says that rows do not mix.

    A `quick` one answers a row sooner than another thread could be asked to.
    """

    source: Source
    size: int
    by_rows: bool
    quick: bool = False
    seconds: float = 0.0  # that loading and warming took


def measured(plan: Plan) -> Loaded:
    """Load, warm and measure. Blocks; meant for one thread, so that nothing else is measured."""
    before, started = memory.resident(), time.perf_counter()
    source = plan.load()
    by_rows = warm(source.model)
    quick = by_rows and _is_quick(source.model)
    size = max(memory.resident() - before, plan.size)
    return Loaded(source, size, by_rows, quick, time.perf_counter() - started)


def warm(model: LoadedModel) -> bool:
    """Run the batches that will come, for a moment; whether a row is alone in company."""
    if not _is_open(model.signature):
        _run(model, 1)
        return False
    until, by_rows = time.monotonic() + WARM_FOR, True
    for batch in WARM_BATCHES:
        outputs = _run(model, batch)
        if batch == _PAIR:
            by_rows = _rows_are_apart(model, outputs)
        if batch >= _PAIR and time.monotonic() > until:
            break
    return by_rows


def _is_quick(model: LoadedModel) -> bool:
    """Whether a run of one row takes next to no time, whatever is in it."""
    inputs = _inputs(model.signature, 1)
    if not model.bounded or any(-1 in t.shape[1:] for t in model.signature.inputs):
        return False
    times = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        model.predict(inputs)
        times.append(time.perf_counter() - started)
    return statistics.median(times) < QUICK


def _is_open(signature: Signature) -> bool:
    """Whether every tensor takes any number of rows."""
    return all(t.shape[:1] == (-1,) for t in (*signature.inputs, *signature.outputs))


def _run(model: LoadedModel, batch: int) -> Arrays:
    return run_limited(model, _inputs(model.signature, batch), RUN_LIMIT)


def _inputs(signature: Signature, batch: int) -> Arrays:
    return {tensor.name: made_up(tensor, batch) for tensor in signature.inputs}


def _rows_are_apart(model: LoadedModel, together: Arrays) -> bool:
    """Whether the second of two rows gets the same answer alone as in a batch."""
    second = {name: array[1:] for name, array in _inputs(model.signature, _PAIR).items()}
    alone = run_limited(model, second, RUN_LIMIT)
    return all(
        array.shape[:1] == (1,) and _is_close(together[name][1:], array)
        for name, array in alone.items()
    )


def _is_close(together: Array, alone: Array) -> bool:
    if alone.dtype.kind not in "fiu" or together.shape != alone.shape:
        return bool(together.tolist() == alone.tolist())
    scale = max(float(np.abs(alone).max(initial=0)), 1e-6)
    return bool(np.allclose(together, alone, rtol=0, atol=_TOLERANCE * scale, equal_nan=True))

"""What a loaded variant costs: items a second, and bytes."""

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path

from inference.optimising.inputs import Inputs
from inference.runtimes.base import LoadedModel

_MIN_RUNS = 5
_STATUS = Path("/proc/self/status")


def rate(
    model: LoadedModel,
    inputs: Inputs,
    batch: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Items a second at that batch size, by the best of at least five runs and `seconds`.

    The best, because whatever else runs on the machine only ever makes a run slower.
    """
    arrays = inputs.take(range(batch))
    model.predict(arrays)  # a size seen for the first time costs extra
    times: list[float] = []
    while len(times) < _MIN_RUNS or sum(times) < seconds:
        began = clock()
        model.predict(arrays)
        times.append(clock() - began)
    items = batch if inputs.batched else 1
    return items / max(min(times), 1e-9)


def resident() -> int:
    """Bytes of memory that is this process's own; files that are only mapped do not count.

    What was freed is given back first, or the next model would seem to need none. 0 where the
    system does not tell.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # only glibc keeps so much
        ctypes.CDLL(None).malloc_trim(0)
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    fields = (line.split() for line in lines if line.startswith("RssAnon:"))
    return next((int(field[1]) * 1024 for field in fields), 0)

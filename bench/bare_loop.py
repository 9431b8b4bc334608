"""The variant that a hub serves, in a loop without a server; `bench.bare` starts it.

    AIHUB_HOME=… python -m bench.bare_loop MODEL CALLS SECONDS

As in the hub, threads decode and prepare pictures and one thread runs the model on what is there.
Prints the pictures a second.
"""

import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

MAX_BATCH = 16
WARM_UP = 1.0  # seconds


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")
    import django

    django.setup()
    model, calls, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    source = _loaded(model)
    _rate(source, calls, WARM_UP)
    print(_rate(source, calls, seconds))


def _loaded(name: str) -> Any:
    """The default version of a model, in the form that serves here."""
    from inference.loading import version_prepare
    from inference.routes import routes_load

    route = routes_load().get(name)
    if route is None or route.default is None:
        sys.exit(f"There is no “{name}” to load.")
    return version_prepare(route.default.id, route.default.variant).load()


def _rate(source: Any, calls: int, seconds: float) -> float:
    """Pictures a second with `calls` of them under way all the time."""
    from bench.places import PHOTOGRAPH
    from inference.cores import available_cores
    from inference.images import read

    picture, pixels = PHOTOGRAPH.read_bytes(), 50_000_000
    name = source.model.signature.inputs[0].name
    preprocessing = source.spec.preprocessing
    with ThreadPoolExecutor(available_cores(), "decode") as threads:

        def ask() -> Future[Any]:
            return threads.submit(read, picture, preprocessing, pixels)

        waiting = {ask() for _ in range(calls)}
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
            batch = list(ready)[:MAX_BATCH]
            source.model.predict({name: np.stack([each.result() for each in batch])})
            waiting.difference_update(batch)
            waiting.update(ask() for _ in batch)
            done += len(batch)
        return done / (time.perf_counter() - start)


if __name__ == "__main__":
    main()

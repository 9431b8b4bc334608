"""The models that a batch worker has in memory: the last few, which the next chunk may need."""

import os
from collections import OrderedDict
from functools import cache

from django.conf import settings

from inference.batch.running import Runner
from inference.batch.watch import Watch
from inference.cores import threads
from inference.engine.loads import warm
from inference.loading import version_prepare
from inference.spec import VariantSpec

KEPT = 2  # models
_HANGS = 70  # exit code of a worker whose model does not come back
_loaded: "OrderedDict[tuple[int, str], Runner]" = OrderedDict()


def runner_of(version_id: int, variant: VariantSpec | None) -> Runner:
    """The version in that form, loaded and warm. Blocks.

    Raises Refused where it cannot be served here, Problem where something does not answer.
    """
    key = (version_id, variant.name if variant else "")
    if key not in _loaded:
        while len(_loaded) >= KEPT:
            _loaded.popitem(last=False)[1].source.model.close()
        _loaded[key] = _load(version_id, variant)
    _loaded.move_to_end(key)
    return _loaded[key]


def threads_here() -> int:
    """Threads of one batch process: the cores are shared among them."""
    env = settings.ENV
    return max(1, threads(env.AIHUB_THREADS) // env.AIHUB_BATCH_PROCESSES)


def _load(version_id: int, variant: VariantSpec | None) -> Runner:
    source = version_prepare(version_id, variant, threads_here()).load()
    by_rows = warm(source.model)
    return Runner(source, by_rows, threads_here(), settings.ENV.AIHUB_IMAGE_PIXELS, _watch())


@cache
def _watch() -> Watch:
    return Watch(lambda: os._exit(_HANGS))

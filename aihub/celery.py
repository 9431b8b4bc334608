"""The Celery application of the roles `worker`, `batch` and `beat`.

A worker's parent process never imports torch: work is done in its children, which die with it.
"""

import os
import signal
from typing import Any

from celery import Celery, signals

from aihub import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")

broker.install()
app = Celery("aihub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def _keep_our_logging(**kwargs: Any) -> None:
    """Connecting this keeps Celery from replacing the handlers of `aihub.logs`."""


@signals.worker_init.connect
def _begin(**kwargs: Any) -> None:
    """Before the broker is asked for: a worker that waits for it lives, and says so."""
    from ops import working

    working.worker_begin(_served())


@signals.worker_process_init.connect
def _start_child(**kwargs: Any) -> None:
    from django.conf import settings

    from aihub import tracing
    from aihub.processes import die_with_parent, yield_to_others
    from ops import working
    from registry.processing.worker import BATCH

    die_with_parent(signal.SIGKILL)
    working.child_begin()
    if _served() == [BATCH]:
        yield_to_others(settings.ENV.AIHUB_BATCH_NICE)
    tracing.start(settings.ENV)


@signals.worker_process_shutdown.connect
def _end_child(**kwargs: Any) -> None:
    from aihub import tracing

    tracing.stop()


@signals.beat_init.connect
def _begin_beat(**kwargs: Any) -> None:
    from ops import working

    working.beat_begin()


@signals.beat_embedded_init.connect
def _start_beat(**kwargs: Any) -> None:
    from aihub.processes import die_with_parent

    die_with_parent(signal.SIGKILL)


@signals.worker_ready.connect
def _start_threads(**kwargs: Any) -> None:
    """What a worker does beside its work, in its parent: it never waits for a child."""
    from ops import working
    from ops.notifications.postman import Postman
    from registry.processing.worker import PROCESSING, Housekeeper
    from registry.services.housekeeping import sweep
    from registry.tasks import hint

    working.worker.housekeeper = Housekeeper(hint, sweep, _served())
    threads: list[Housekeeper | Postman] = [working.worker.housekeeper]
    if PROCESSING in _served():
        threads.append(Postman())
    for thread in threads:
        signals.worker_shutting_down.connect(lambda thread=thread, **kw: thread.stop(), weak=False)
        thread.start()


def _served() -> list[str]:
    """The queues that this worker takes messages from."""
    return list(app.amqp.queues.consume_from)

"""The scheduler of the role `beat`, which says that it looks at its schedules."""

import time

from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler

from ops.launch.counting import beat_file

TICKS_WITHIN = 60.0  # seconds: it sleeps 5 at most, but waits for a broker that is away


class Scheduler(DatabaseScheduler):
    """Celery's scheduler over the database.

    Beside a worker it is a process that the worker forked and whose files Celery closed: it cannot
    count where the worker counts.
    """

    ticked_at = 0.0  # of `time.monotonic`, by the one scheduler of the process

    def tick(self, *args: object, **kwargs: object) -> float:
        """Start what is due; seconds until the next look."""
        seconds: float = super().tick(*args, **kwargs)
        Scheduler.ticked_at = time.monotonic()
        file = beat_file(settings.HOME)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return seconds


def ticks() -> bool:
    """Whether the scheduler of this process looked at its schedules lately."""
    return time.monotonic() - Scheduler.ticked_at < TICKS_WITHIN

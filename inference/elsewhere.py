"""Variants for this replica's kind of processor, where the workers so far were of another kind."""

import time
from collections.abc import Callable

from registry.models import Job, ModelVersion
from registry.models.versions import State
from registry.services.variants import KIND, optimisation_request

LOOK_EVERY = 10.0  # seconds
_AT_ONCE = 100


class VariantRequests:
    """Asks for the variants of ready versions that nobody was asked for on this processor."""

    def __init__(self, cpu: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._cpu = cpu
        self._clock = clock
        self._look_at = clock() + LOOK_EVERY

    def tick(self) -> None:
        """Look, if it is time; called again and again from one thread."""
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + LOOK_EVERY
        asked = Job.objects.filter(kind=KIND + self._cpu).values("subject_id")
        missing = ModelVersion.objects.filter(state=State.READY).exclude(pk__in=asked)
        for pk in missing.values_list("pk", flat=True)[:_AT_ONCE]:
            optimisation_request(pk, self._cpu)

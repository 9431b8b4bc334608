"""When an API key was last used: noted in memory, written at most once a minute a key."""

import threading
import time
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from ops.models import ApiKey

WRITE_EVERY = 60.0  # seconds


class LastUsed:
    """Collects the keys that were used; `flush` writes them in one statement."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._lock = threading.Lock()
        self._flushed_at = 0.0

    def note(self, key_id: int) -> None:
        """Remember a use; cheap enough for every request."""
        if key_id not in self._seen:
            with self._lock:
                self._seen.add(key_id)

    def flush(self) -> None:
        """Write what was noted, when it is time."""
        if not self._seen or time.monotonic() - self._flushed_at < WRITE_EVERY:
            return
        with self._lock:
            seen, self._seen = self._seen, set()
        self._flushed_at = time.monotonic()
        ApiKey.objects.filter(pk__in=seen).update(last_used_at=timezone.now())


def note_now(key_id: int) -> None:
    """Write a use at once, unless one was written within the last minute."""
    now = timezone.now()
    old = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(seconds=WRITE_EVERY))
    ApiKey.objects.filter(old, pk=key_id).update(last_used_at=now)

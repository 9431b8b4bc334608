"""How many calls each version answered, and how long they took, since the process started."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Calls:
    """So many calls, and the nanoseconds that they took together."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Count one more call."""
        self.count += 1
        self.ns += int(seconds * 1e9)


@dataclass(slots=True)
class VersionStatistics:
    """Calls that the model answered and that failed, rows of the former, ms since 1970."""

    success: Calls = field(default_factory=Calls)
    fail: Calls = field(default_factory=Calls)
    rows: int = 0
    last_ms: int = 0

    def record(self, seconds: float, rows: int, *, failed: bool) -> None:
        """Count a call that reached the model and came to an end."""
        if failed:
            self.fail.add(seconds)
            return
        self.success.add(seconds)
        self.rows += rows
        self.last_ms = int(time.time() * 1000)


class Statistics:
    """Counts by the version's id. Belongs to one event loop."""

    def __init__(self) -> None:
        self._versions: dict[int, VersionStatistics] = {}

    def of(self, version_id: int) -> VersionStatistics:
        """What is counted of a version."""
        found = self._versions.get(version_id)
        if found is None:
            found = self._versions[version_id] = VersionStatistics()
        return found

"""Sums that the newest backup knows already: what has no row need not be read every night."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from ops.backup.checking import file_fetched
from ops.backup.manifest import Refused, manifest_read
from ops.backup.place import Place
from ops.backup.rows import rows_read
from registry.storage import Stored

# A store tells no two changes within a second apart, and its clock may differ from ours.
SETTLED = timedelta(minutes=5)

Known = dict[str, tuple[str, int, str]]


@dataclass(frozen=True, slots=True)
class Sums:
    """By key: SHA-256, bytes and when it was modified, of what the newest backup found."""

    known: Known = field(default_factory=dict)
    begun: datetime = field(default_factory=timezone.now)

    def of(self, stored: Stored) -> str:
        """The sum of an object that has not changed since; empty where that is not known."""
        sha256, size, modified = self.known.get(stored.key, ("", 0, ""))
        return sha256 if (size, modified) == (stored.size, self.modified(stored)) else ""

    def modified(self, stored: Stored) -> str:
        """When, for the next backup to compare; empty where it may be changing now."""
        settled = stored.modified < self.begun - SETTLED
        return stored.modified.isoformat() if settled else ""


def sums_known(place: Place) -> Sums:
    """What the newest backup of the place says; nothing where it is damaged or not this hub's."""
    try:
        for name in place.backups()[-1:]:
            manifest = manifest_read(place, name)
            with file_fetched(place, manifest, manifest.objects) as path:
                lines = rows_read(path)
                return Sums({key: (sum_, size, at) for key, sum_, size, at in lines if at})
    except Refused:
        pass
    return Sums()

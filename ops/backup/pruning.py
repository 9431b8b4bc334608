"""Removing old backups, and contents that none of the others need."""

from datetime import timedelta

from django.utils import timezone

from ops.backup.checking import file_fetched
from ops.backup.manifest import manifest_read
from ops.backup.place import BACKUPS, INCOMING, MANIFEST, OBJECTS, Place
from ops.backup.rows import rows_read
from registry.services.holding import removal_held

LEFT = timedelta(days=1)  # after which what a kill left behind is nobody's any more


def backups_prune(place: Place, keep: int) -> tuple[int, int]:
    """Keep the newest `keep` backups: how many others, and how many contents, were removed.

    Not while one is made: its contents are not named by any yet.
    """
    with removal_held():
        names = place.backups()
        old, kept = names[:-keep], names[-keep:]
        needed = {sum_ for name in kept for sum_ in _needed(place, name)}
        for name in old:
            place.discard(f"{BACKUPS}{name}/{MANIFEST}")  # first: the rest is no backup without
        _remove_parts(place, set(kept))
        return len(old), _remove_contents(place, needed)


def _needed(place: Place, name: str) -> set[str]:
    manifest = manifest_read(place, name, trust=True)
    with file_fetched(place, manifest, manifest.objects) as path:
        return {sha256 for _, sha256, _ in rows_read(path)}


def _remove_parts(place: Place, kept: set[str]) -> None:
    """The files of backups that are none, or none any more."""
    for stored in list(place.listing(BACKUPS)):
        if stored.key.split("/")[1] not in kept:
            place.discard(stored.key)
    for stored in list(place.listing(INCOMING)):
        if stored.modified < timezone.now() - LEFT:
            place.discard(stored.key)


def _remove_contents(place: Place, needed: set[str]) -> int:
    removed = 0
    for stored in list(place.listing(OBJECTS)):
        if stored.key.removeprefix(OBJECTS).replace("/", "") not in needed:
            place.discard(stored.key)
            removed += 1
    return removed

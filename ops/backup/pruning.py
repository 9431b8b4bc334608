"""Removing old backups, and contents that none of the others need."""

from datetime import timedelta

from django.utils import timezone

from ops.backup.checking import file_fetched
from ops.backup.hold import hold_confirm
from ops.backup.manifest import manifest_read
from ops.backup.place import BACKUPS, INCOMING, MANIFEST, OBJECTS, Place
from ops.backup.rows import AT_ONCE, rows_read
from registry.services.holding import Hold, removal_held

LEFT = timedelta(days=1)  # after which what a kill left behind is nobody's any more


def backups_prune(place: Place, keep: int) -> tuple[int, int]:
    """Keep the newest `keep` backups: how many others, and how many contents, were removed.

    Not while one is made: its contents are not named by any yet.
    """
    with removal_held() as hold:
        names = place.backups()
        old, kept = names[:-keep], names[-keep:]
        needed = {sum_ for name in kept for sum_ in _needed(place, name)}
        for name in old:
            place.discard(f"{BACKUPS}{name}/{MANIFEST}")  # first: the rest is no backup without
        _remove(place, _parts(place, set(kept)), hold)
        return len(old), _remove(place, _contents(place, needed), hold)


def _needed(place: Place, name: str) -> set[str]:
    manifest = manifest_read(place, name, trust=True)
    with file_fetched(place, manifest, manifest.objects) as path:
        return {sha256 for _, sha256, *_ in rows_read(path)}


def _parts(place: Place, kept: set[str]) -> list[str]:
    """The files of backups that are none, or none any more."""
    before = timezone.now() - LEFT
    files = (stored.key for stored in place.listing(BACKUPS))
    left = [stored.key for stored in place.listing(INCOMING) if stored.modified < before]
    return [key for key in files if key.split("/")[1] not in kept] + left


def _contents(place: Place, needed: set[str]) -> list[str]:
    keys = (stored.key for stored in place.listing(OBJECTS))
    return [key for key in keys if key.removeprefix(OBJECTS).replace("/", "") not in needed]


def _remove(place: Place, keys: list[str], hold: Hold) -> int:
    """Only while no backup is made, whose they may have become: `Refused` where one may be."""
    for number, key in enumerate(keys):
        if number % AT_ONCE == 0:
            hold_confirm(hold)
        place.discard(key)
    return len(keys)

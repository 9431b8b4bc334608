"""Objects of the store that no row knows: left behind by the hub, or put there by others."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.models import Blob, ModelVersion, Upload
from registry.selectors.blobs import blobs_unreferenced
from registry.services.holding import removal_allowed
from registry.storage import Stored, blob_key, blob_storage

CONTENT, STAGED = "files/md5/", "uploads/"
AT_ONCE = 500
LARGEST_DIRECTORY = 16 * 1024 * 1024  # bytes of a list of a directory's files
_CONTENT = re.compile(r"files/md5/([0-9a-f]{2})/([0-9a-f]{30})(\.dir)?")
_LEFT = re.compile(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}\.[0-9a-f]{32}")  # of a copy, by a kill
_STAGED = re.compile(r"uploads/([0-9a-f]{8}-[0-9a-f-]{27})")


class Found(Protocol):
    """What is counted; see `registry.services.garbage.Collected`."""

    dry_run: bool
    bytes: int
    directories: int
    staged: int
    foreign: int
    foreign_bytes: int
    foreign_removed: int
    complete: bool


def collect(found: Found, foreign_older_than: timedelta | None, stop: Callable[[], bool]) -> None:
    """Free lists of directories whose files are gone and staged bytes without a row; count what
    is foreign, and free that too where it is older than `foreign_older_than`.

    Raises RemovalHeld where something would be freed while a backup is made.
    """
    for page in _pages(CONTENT):
        if stop():
            found.complete = False
            return
        for stored, md5 in _unknown(page):
            _foreign(found, stored, md5, foreign_older_than)
    for page in _pages(STAGED):
        for stored in _rowless(page):
            _free(found, stored)
            found.staged += 1


def _pages(prefix: str) -> Iterator[list[Stored]]:
    objects = blob_storage().listing(prefix)
    while page := list(islice(objects, AT_ONCE)):
        yield page


def _unknown(page: list[Stored]) -> list[tuple[Stored, str]]:
    """The objects that no row knows, with their MD5 where their name is one."""
    names = {stored.key: _CONTENT.fullmatch(stored.key) for stored in page}
    sums = {key: match[1] + match[2] for key, match in names.items() if match}
    blobs = set(Blob.objects.filter(md5__in=sums.values()).values_list("md5", flat=True))
    versions = ModelVersion.everything.filter(directory_md5__in=sums.values())
    directories = set(versions.values_list("directory_md5", flat=True))

    def known(key: str) -> bool:
        match = names[key]
        return bool(match) and sums[key] in (directories if match and match[3] else blobs)

    return [(stored, sums.get(stored.key, "")) for stored in page if not known(stored.key)]


def _foreign(found: Found, stored: Stored, md5: str, older_than: timedelta | None) -> None:
    is_directory = stored.key.endswith(".dir")
    if is_directory and _is_dead(stored, dry_run=found.dry_run):
        _free(found, stored)
        found.directories += 1
        return
    if _LEFT.fullmatch(stored.key) and stored.modified < _long_ago():
        _free(found, stored)
        found.staged += 1
        return
    if older_than is not None and stored.modified < timezone.now() - older_than:
        if found.dry_run or _remove_foreign(stored, "" if is_directory else md5):
            found.foreign_removed += 1
            found.bytes += stored.size
        return
    found.foreign += 1
    found.foreign_bytes += stored.size


def _is_dead(stored: Stored, *, dry_run: bool) -> bool:
    """Whether a directory can be fetched by nobody any more, since a file of it is gone."""
    sums = _listed(stored)
    rows = Blob.objects.filter(md5__in=sums)
    known = set(rows.values_list("md5", flat=True))
    if dry_run and blobs_unreferenced().filter(md5__in=known).exists():
        return True
    return any(not _is_there(blob_key(md5)) for md5 in sums - known)


def _listed(stored: Stored) -> set[str]:
    """The sums that a directory's object lists; none for what is no such list."""
    if stored.size > LARGEST_DIRECTORY:
        return set()
    try:
        with closing(blob_storage().reader(stored.key)) as reading:
            entries: Any = json.loads(b"".join(reading))
        return {str(entry["md5"]) for entry in entries}
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return set()


def _is_there(key: str) -> bool:
    return any(stored.key == key for stored in blob_storage().listing(key))


def _remove_foreign(stored: Stored, md5: str) -> bool:
    """Remove an object that the hub never knew, unless somebody makes it known just now.

    A row of its sum keeps publishers of the same content waiting until it is gone.
    """
    if not md5:
        _discard(stored.key)
        return True
    try:
        with transaction.atomic():
            row = Blob.objects.create(md5=md5, sha256=f"removing-{md5}", size=stored.size)
            if Upload.objects.filter(location=stored.key).exists():
                row.delete()
                return False
            _discard(stored.key)
            row.delete()
    except IntegrityError:
        return False
    return True


def _rowless(page: Iterable[Stored]) -> list[Stored]:
    """Staged bytes whose upload is long gone."""
    old = [stored for stored in page if stored.modified < _long_ago()]
    ids = {stored.key: match[1] for stored in old if (match := _STAGED.match(stored.key))}
    rows = Upload.objects.filter(pk__in=ids.values()).values_list("pk", flat=True)
    alive = {str(pk) for pk in rows}
    return [stored for stored in old if stored.key in ids and ids[stored.key] not in alive]


def _long_ago() -> datetime:
    return timezone.now() - timedelta(hours=settings.ENV.AIHUB_UPLOAD_HOURS)


def _free(found: Found, stored: Stored) -> None:
    if not found.dry_run:
        _discard(stored.key)
    found.bytes += stored.size


def _discard(key: str) -> None:
    removal_allowed()
    blob_storage().discard(key)

"""Making a backup."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from aihub import __version__
from ops.backup.hold import contents_confirm, contents_counted, hold_confirm
from ops.backup.manifest import File, Manifest, Refused, file_of, manifest_write
from ops.backup.objects import Progress, objects_copy
from ops.backup.place import BACKUPS, Place
from ops.backup.rows import rows_write
from ops.backup.tables import migrations_applied, migrations_known, one_moment, tables
from registry.services.holding import removal_held


def backup_make(place: Place, say: Progress) -> Manifest:
    """Copy rows as of one moment, then the content that they name; `Refused` where that cannot be.

    What was interrupted leaves contents that the next backup need not copy again.
    """
    applied = migrations_applied()
    if applied != migrations_known():
        raise Refused("The schema is not this version's: see “manage.py doctor --only database”.")
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + "Z"
    with (
        removal_held() as hold,
        tempfile.TemporaryDirectory(dir=settings.HOME, prefix="backup-") as folder,
    ):
        made = _copied(place, name, Path(folder), say)
        hold_confirm(hold)
        manifest = Manifest(name, __version__, sorted(map(list, applied)), **made)  # type: ignore[arg-type]
        manifest_write(place, manifest, Path(folder))
    return manifest


def _copied(place: Place, name: str, folder: Path, say: Progress) -> dict[str, object]:
    with one_moment():
        found = {rows.model._meta.label_lower: rows for rows in tables()}
        files = {label: _table(place, name, label, rows, folder) for label, rows in found.items()}
        newest, count = contents_counted()
    say(f"{sum(file.rows for file in files.values())} rows of {len(files)} tables")
    path = folder / "objects.jsonl.gz"
    copied = objects_copy(place, path, newest)
    contents_confirm(newest, count)
    said = f"{copied.count} objects, {copied.bytes} bytes; {copied.new} of them were not there yet"
    say(said)
    objects = _put(place, name, path, copied.count)
    return {
        "tables": files,
        "objects": objects,
        "bytes": copied.bytes,
        "missing": copied.missing,
    }


def _table(place: Place, name: str, label: str, rows: object, folder: Path) -> File:
    path = folder / f"{label}.jsonl.gz"
    return _put(place, name, path, rows_write(rows, path), "tables/")  # type: ignore[arg-type]


def _put(place: Place, name: str, path: Path, rows: int, under: str = "") -> File:
    file = file_of(path, f"{under}{path.name}", rows)
    place.put(path, f"{BACKUPS}{name}/{file.name}")
    return file

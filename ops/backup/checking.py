"""Reading a backup through: whether all of it is there, and as it was."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ops.backup.manifest import File, Manifest, Refused, file_of
from ops.backup.place import BACKUPS, Place, object_name
from ops.backup.rows import rows_read
from registry.storage import hash_content


def backup_check(place: Place, manifest: Manifest) -> None:
    """Hold every file and every object against its sum; `Refused` names the first that differs."""
    for file in manifest.files:
        with file_fetched(place, manifest, file):
            pass
    with file_fetched(place, manifest, manifest.objects) as path:
        _check_objects(place, manifest, path)


@contextmanager
def file_fetched(place: Place, manifest: Manifest, file: File) -> Iterator[Path]:
    """A local copy of a backup's file, as it was written; `Refused` where it is not."""
    try:
        with place.fetched(f"{BACKUPS}{manifest.name}/{file.name}") as path:
            if file_of(path, file.name, file.rows) != file:
                raise Refused(f"{manifest.name} is damaged: {file.name} is not what it was.")
            yield path
    except FileNotFoundError:
        raise Refused(f"{manifest.name} is damaged: {file.name} is missing.") from None


def _check_objects(place: Place, manifest: Manifest, path: Path) -> None:
    for key, sha256, size, *_ in rows_read(path):
        found = ""
        with suppress(FileNotFoundError), closing(place.reader(object_name(sha256))) as reading:
            found = hash_content(reading, lambda _: None)[0]
        if found != sha256:
            raise Refused(
                f"{manifest.name} is damaged: the content of {key} ({size} bytes) is "
                f"{'not what it was' if found else 'missing'}."
            )

"""What a backup is made of: sealed, so that what was changed behind the hub's back is refused."""

import hashlib
import json
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from ops.backup.place import BACKUPS, MANIFEST, Place
from registry.manifests import canonical

FORMAT = 1
_SALT = "aihub.backup"


class Refused(Exception):
    """Why a backup cannot be made or used, as a sentence for a person."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a backup. `rows` are lines of content; `size` is in bytes, as it is stored."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`tables` by model label, `migrations` as applied; `missing` are keys whose content was not
    there, or was damaged, when the backup was made."""

    name: str
    version: str
    migrations: list[list[str]]
    tables: dict[str, File]
    objects: File
    bytes: int
    missing: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        tables = {label: File(**file) for label, file in said["tables"].items()}
        return cls(**{**said, "tables": tables, "objects": File(**said["objects"])})

    @property
    def files(self) -> list[File]:
        return [*self.tables.values(), self.objects]


def manifest_write(place: Place, manifest: Manifest, folder: Path) -> None:
    """Write it, which makes the backup one."""
    said = asdict(manifest)
    path = folder / MANIFEST
    sealed = {"format": FORMAT, "backup": said, "seal": _seal(said, settings.SECRET_KEY)}
    path.write_text(json.dumps(sealed, indent=2, sort_keys=True))
    place.put(path, f"{BACKUPS}{manifest.name}/{MANIFEST}")


def manifest_read(place: Place, name: str, *, trust: bool = False) -> Manifest:
    """The manifest of a backup; `Refused` where it was changed.

    `trust` takes one that a hub with another secret key made.
    """
    try:
        with closing(place.reader(f"{BACKUPS}{name}/{MANIFEST}")) as reading:
            found = json.loads(b"".join(reading))
        said, seal = found["backup"], found["seal"]
    except FileNotFoundError:
        raise Refused(f"There is no complete backup {name} there.") from None
    except (ValueError, KeyError, TypeError):
        raise Refused(f"The manifest of {name} is damaged.") from None
    if found.get("format") != FORMAT:
        raise Refused(f"{name} is of another format than this version of the hub reads.")
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not trust and not any(constant_time_compare(_seal(said, key), seal) for key in keys):
        raise Refused(
            f"The manifest of {name} was changed, or made by a hub with another AIHUB_SECRET_KEY: "
            "list that key in AIHUB_SECRET_KEY_OLD, or say --trust if you know where it comes from."
        )
    return Manifest.of(said)


def file_of(path: Path, name: str, rows: int) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return File(name, rows, path.stat().st_size, digest)


def _seal(said: dict[str, Any], key: str | bytes) -> str:
    return salted_hmac(_SALT, canonical(said), secret=key, algorithm="sha256").hexdigest()

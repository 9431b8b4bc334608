"""Manifests: what was true of a version when it became ready, under the hub's seal.

The seal is an HMAC with a key derived from SECRET_KEY, so that whoever can write to the database
or the store, but does not hold the key, changes nothing in silence. A manifest names its `schema`;
how one is made from rows never changes, a new schema is added beside it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from aihub.problems import N_, Problem
from registry.models import Blob, ModelVersion

SCHEMA = 1
UNSEALED = N_("This version was never sealed. An operator can seal it: manage.py reseal.")
BROKEN = N_(
    "The seal of this version does not fit: its record was changed behind the hub's back, or the "
    "hub's secret key was. After a change of the key: manage.py reseal."
)
CHANGED = N_(
    "The record of this version was changed after it became ready: what is not as it was sealed "
    "is %(fields)s."
)
_SALT = "aihub.manifest"


class Unsealed(Problem):
    """A version whose record is not what the hub sealed; it is not to be loaded."""

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(503, message, headers={"Retry-After": "60"}, **values)


def manifest_of(version: ModelVersion) -> dict[str, Any]:
    """The manifest that a version's rows amount to now, as plain JSON."""
    files = ((file.path, file.blob) for file in version.files.all())
    converted = ((file.path, file.blob) for file in version.converted.all())
    return {
        "schema": SCHEMA,
        "model": version.model.name,
        "version": version.version,
        "task": version.model.task,
        "format": version.format,
        "served_format": version.served_format,
        "architecture": version.architecture,
        "options": version.architecture_options,
        "num_classes": version.num_classes,
        "labels_sha256": hashlib.sha256(canonical(version.labels)).hexdigest(),
        "preprocessing": version.preprocessing,
        "files": _entries(files),
        "converted": _entries(converted),
        "signature": version.signature,
        "report": version.report,
    }


def seal(manifest: Mapping[str, Any]) -> str:
    """The hub's seal on a manifest: a hexadecimal HMAC-SHA256 over its canonical JSON."""
    return _sealed(manifest, settings.SECRET_KEY)


def fits(manifest: Mapping[str, Any], signature: str) -> bool:
    """Whether a seal is the hub's, under its key or one that it had before."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(_sealed(manifest, key), signature) for key in keys)


def is_present(version: ModelVersion) -> bool:
    """Whether a version is sealed with the present key, not with one that the hub had before."""
    present = _sealed(version.manifest, settings.SECRET_KEY)
    return constant_time_compare(present, version.manifest_signature)


def check(version: ModelVersion) -> None:
    """Raise `Unsealed` where a ready version's record is not what was sealed."""
    if not version.manifest_signature:
        raise Unsealed(UNSEALED)
    if not fits(version.manifest, version.manifest_signature):
        raise Unsealed(BROKEN)
    now = manifest_of(version)
    changed = [name for name in now if now[name] != version.manifest.get(name)]
    if changed:
        raise Unsealed(CHANGED, fields=", ".join(changed))


def is_intact(version: ModelVersion) -> bool:
    """As `check`, but answering."""
    try:
        check(version)
    except Unsealed:
        return False
    return True


def canonical(value: Any) -> bytes:
    """The one way to write JSON that equal values share."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sealed(manifest: Mapping[str, Any], key: str | bytes) -> str:
    return salted_hmac(_SALT, canonical(manifest), secret=key, algorithm="sha256").hexdigest()


def _entries(files: Iterable[tuple[str, Blob | None]]) -> list[dict[str, Any]]:
    return [
        {
            "path": path,
            "sha256": blob and blob.sha256,
            "md5": blob and blob.md5,
            "size": blob and blob.size,
        }
        for path, blob in sorted(files, key=lambda file: file[0])
    ]

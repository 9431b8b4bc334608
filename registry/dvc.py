"""DVC's formats: pointers (`.dvc` files), lists of directories, the remote's configuration."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml
from django.conf import settings

from registry.models import ModelVersion
from registry.storage import BlobRef, blob_key

REMOTE = "aihub"
SUFFIX = ".dir"


class Dumper(yaml.SafeDumper):
    """YAML 1.1 that YAML 1.2 reads alike: a sum such as `12e34` is quoted, lest it be a number."""


Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[0-9]+e[0-9]+$"), list("0123456789")
)


@dataclass(frozen=True, slots=True)
class Pointer:
    """A `.dvc` file: where it lies, and its text."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory as DVC knows it: the list of its files, and that list's own MD5."""

    listing: bytes
    size: int
    nfiles: int

    @property
    def md5(self) -> str:
        return hashlib.md5(self.listing, usedforsecurity=False).hexdigest()


def refs_of(version: ModelVersion) -> dict[str, BlobRef]:
    """The content of each file of a version, by its path."""
    return {file.path: file.blob.ref for file in version.files.all() if file.blob}


def is_directory(paths: Iterable[str]) -> bool:
    """Whether these files make a directory to DVC: several, or one in a folder."""
    found = list(paths)
    return len(found) > 1 or any("/" in path for path in found)


def directory_of(refs: Mapping[str, BlobRef]) -> Directory:
    """The directory that holds these files; its list is to the byte what DVC writes."""
    entries = [{"md5": ref.md5, "relpath": path} for path, ref in sorted(refs.items())]
    listing = json.dumps(entries, sort_keys=True).encode()
    return Directory(listing, sum(ref.size for ref in refs.values()), len(entries))


def directory_key(md5: str) -> str:
    """Where the list of a directory is kept."""
    return f"{blob_key(md5)}{SUFFIX}"


def file_pointer(path: str, ref: BlobRef) -> Pointer:
    """The pointer to one file, to lie beside where the file is to be."""
    out = {"md5": ref.md5, "size": ref.size, "hash": "md5", "path": PurePosixPath(path).name}
    return Pointer(f"{path}.dvc", _text(out))


def directory_pointer(name: str, directory: Directory) -> Pointer:
    """The pointer to a directory of this name."""
    out = {
        "md5": f"{directory.md5}{SUFFIX}",
        "size": directory.size,
        "nfiles": directory.nfiles,
        "hash": "md5",
        "path": name,
    }
    return Pointer(f"{name}.dvc", _text(out))


def remote() -> dict[str, str]:
    """The store as a DVC remote, without credentials: those are each reader's own."""
    env = settings.ENV
    if not env.AIHUB_S3_ENDPOINT:
        local = {"url": str(settings.HOME / "blobs")}
        return {"type": "local", **local, "config": _config(local)}
    s3 = {
        "url": f"s3://{env.AIHUB_S3_BUCKET}",
        "endpointurl": env.AIHUB_S3_PUBLIC_ENDPOINT or env.AIHUB_S3_ENDPOINT,
        "region": env.AIHUB_S3_REGION,
    }
    return {"type": "s3", **s3, "config": _config(s3)}


def _config(values: Mapping[str, str]) -> str:
    lines = [f"    {name} = {value}" for name, value in values.items()]
    head = ["[core]", f"    remote = {REMOTE}", f"['remote \"{REMOTE}\"']"]
    return "\n".join([*head, *lines, ""])


def _text(out: dict[str, Any]) -> str:
    plain: str = yaml.dump(
        {"outs": [out]}, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000
    )
    return plain

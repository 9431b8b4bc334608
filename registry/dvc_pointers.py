"""Reading what DVC wrote: pointers and lists of directories, by anybody's hand."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from registry.refusals import N_, Refused

POINTER_MAX = 64 * 1024  # characters
DEPTH_MAX = 20
LISTING_MAX = 16 * 1024 * 1024  # bytes
FILES_MAX = 1000
PATH_MAX = 200  # characters
_MD5 = re.compile(r"([0-9a-f]{32})(\.dir)?", re.ASCII)
_ELSEWHERE = ("files", "cloud", "remote", "etag", "version_id", "checksum")
_DRIVE = re.compile(r"[A-Za-z]:")
_SIZE_MAX = 2**63 - 1
# What the YAML library raises for scalars that are not what their tags say: `!!bool x`, `!!int ""`.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Out:
    """A file or directory that a pointer names; None for a size that it does not tell."""

    path: str
    md5: str
    size: int | None = None
    is_directory: bool = False


class _Loader(yaml.SafeLoader):
    """Plain data: neither aliases, by which a short text could mean a large one, nor deep nesting,
    which takes the library a time that grows with its square.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent) or self.depth > DEPTH_MAX:
            raise yaml.YAMLError("an alias, or nested too deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def pointer_parse(text: str) -> list[Out]:
    """What a pointer names; `Refused` where that cannot be taken from the hub's store."""
    if len(text) > POINTER_MAX:
        raise Refused(N_("The .dvc file is too long."))
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, *_UNREADABLE):
        raise Refused(N_("The .dvc file is not valid YAML, or not plain.")) from None
    outs = data.get("outs") if isinstance(data, dict) else None
    if not isinstance(outs, list) or not outs:
        raise Refused(N_("The .dvc file names no content: it has no “outs”."))
    if len(outs) > FILES_MAX:
        raise Refused(N_("More than %(max)s files."), max=FILES_MAX)
    return [_out(out) for out in outs]


def listing_parse(content: bytes) -> list[Out]:
    """The files of a directory; `Refused` where it is no list of files that a version can have."""
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(N_("The list of the directory is not what DVC writes."))
    if not 0 < len(entries) <= FILES_MAX:
        raise Refused(N_("A directory must have 1 to %(max)s files."), max=FILES_MAX)
    return [_listed(entry) for entry in entries]


def path_checked(path: Any) -> str:
    """A path inside of a version, as it is; `Refused` for every other."""
    shown = path[:PATH_MAX] if isinstance(path, str) else ""
    if not isinstance(path, str) or not 0 < len(path) <= PATH_MAX:
        raise Refused(
            N_("“%(path)s” is not a path of 1 to %(max)s characters."), path=shown, max=PATH_MAX
        )
    parts = path.split("/")
    plain = path.isprintable() and "\\" not in path and not _DRIVE.match(path)
    if not plain or any(part.strip() in ("", ".", "..") for part in parts):
        raise Refused(N_("The path “%(path)s” leads out of the version."), path=shown)
    return path


def _out(out: Any) -> Out:
    if not isinstance(out, dict):
        raise Refused(N_("The .dvc file names no content: it has no “outs”."))
    path = path_checked(out.get("path"))
    _check_kind(out, path)
    match = _sum(out)
    if not match:
        raise Refused(N_("%(path)s has no MD5 sum in the .dvc file."), path=path)
    size = out.get("size")
    if size is not None and (type(size) is not int or not 0 <= size <= _SIZE_MAX):
        raise Refused(N_("The size of %(path)s is not a number of bytes."), path=path)
    return Out(path, match[1], size, is_directory=bool(match[2]))


def _check_kind(out: Mapping[str, Any], path: str) -> None:
    """Content that DVC keeps in another way, or in another place, is not in the hub's store."""
    if any(out.get(name) for name in _ELSEWHERE):
        raise Refused(
            N_("%(path)s is kept in a remote of its own, or by versions of a cloud."), path=path
        )
    if out.get("hash") != "md5":
        raise Refused(
            N_("%(path)s has no “hash: md5”: it was added by DVC 2. Add it anew with DVC 3."),
            path=path,
        )
    if out.get("cache") is False or out.get("push") is False:
        raise Refused(N_("%(path)s is never pushed: DVC does not cache it."), path=path)
    if out.get("isexec"):
        raise Refused(N_("%(path)s is marked as a program; a model is none."), path=path)


def _listed(entry: Mapping[str, Any]) -> Out:
    path = path_checked(entry.get("relpath"))
    match = _sum(entry)
    if not match or match[2]:
        raise Refused(N_("%(path)s has no MD5 sum in the list of the directory."), path=path)
    return Out(path, match[1])


def _sum(entry: Mapping[str, Any]) -> re.Match[str] | None:
    """The MD5 sum of an entry; its second group is `.dir` for a directory."""
    md5 = entry.get("md5")
    return _MD5.fullmatch(md5) if isinstance(md5, str) else None


def under(folder: str, out: Out) -> Out:
    """A file of a directory among other outs, where its path begins with the directory's."""
    return Out(path_checked(str(PurePosixPath(folder, out.path))), out.md5)

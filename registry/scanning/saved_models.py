"""The TensorFlow SavedModel layer: its folder, sent as one zip archive.

A SavedModel may name operations that read or write files. OpenVINO, which alone loads it here, has
none of them: such a model is refused when it is loaded.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from registry.refusals import N_, Refused
from registry.scanning import archives
from registry.scanning.report import Finding, Report

GRAPH = "saved_model.pb"
MAX_GRAPH = (1 << 31) - 1
"""Bytes that a protobuf message may have."""
MAX_RATIO = 200
"""How many times smaller deflate may make a member: graphs repeat themselves, unlike weights."""
MAX_GROWTH, GROWTH_FLOOR = 10, 1 << 28

NO_GRAPH = N_("The archive must hold one saved_model.pb, in its root or in one folder.")
BOMB = N_("The archive would unpack from %(packed)s to %(unpacked)s bytes, like a zip bomb.")


def is_saved_model(names: Iterable[str]) -> bool:
    """Whether the archive with these members holds a SavedModel."""
    return any(PurePosixPath(name).name == GRAPH for name in names)


def scan(path: Path) -> Report:
    """The report of a SavedModel's archive; Refused for one that must not be unpacked."""
    members = _members(path)
    message = N_("The archive holds %(count)s files of a SavedModel.")
    return Report([Finding("saved_model", "info", message, {"count": len(members)})], {})


def unpack(path: Path, folder: Path) -> None:
    """Put the SavedModel into `folder`, `saved_model.pb` at its root; Refused as in `scan`."""
    members = _members(path)
    root = _root(members)
    with ZipFile(path) as archive:
        for name in members:
            target = folder / PurePosixPath(name).relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy)


def _members(path: Path) -> list[str]:
    """The names of the files below the folder of the graph, after all checks."""
    members = archives.members(path, folders=True, ratio=MAX_RATIO)
    packed, unpacked = path.stat().st_size, sum(member.size for member in members.values())
    if unpacked > MAX_GROWTH * packed + GROWTH_FLOOR:
        raise Refused(BOMB, packed=packed, unpacked=unpacked)
    root = _root(members)
    graph = members[str(root / GRAPH)]
    if graph.size > MAX_GRAPH:
        raise Refused(archives.TOO_LARGE, member=graph.name, limit=MAX_GRAPH)
    return [name for name in members if PurePosixPath(name).is_relative_to(root)]


def _root(names: Iterable[str]) -> PurePosixPath:
    """The folder of the only graph."""
    graphs = [PurePosixPath(name) for name in names if PurePosixPath(name).name == GRAPH]
    if len(graphs) != 1 or len(graphs[0].parts) > 2:
        raise Refused(NO_GRAPH)
    return graphs[0].parent

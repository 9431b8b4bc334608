"""The TensorFlow SavedModel layer: its folder, sent as one zip or tar archive (.tar.gz too).

A SavedModel may name operations that read or write files. OpenVINO, which alone converts it, in
the sandbox, has none of them: such a model is refused there.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from registry.refusals import N_, Refused
from registry.scanning import archives, tars
from registry.scanning.report import Finding, Report
from registry.scanning.signatures import ZIP

GRAPH = "saved_model.pb"
MAX_GRAPH = (1 << 31) - 1
"""Bytes that a protobuf message may have."""
MAX_RATIO = 200
"""How many times smaller deflate may make a member: graphs repeat themselves, unlike weights."""

NO_GRAPH = N_("The archive must hold one saved_model.pb, in its root or in one folder.")


def is_saved_model(names: Iterable[str]) -> bool:
    """Whether the archive with these members holds a SavedModel."""
    return any(PurePosixPath(name).name == GRAPH for name in names)


def scan(path: Path) -> Report:
    """The report of a SavedModel's archive; Refused for one that must not be unpacked."""
    sizes = _sizes(path)
    _root(sizes)
    message = N_("The archive holds %(count)s files of a SavedModel.")
    return Report([Finding("saved_model", "info", message, {"count": len(sizes)})], {})


def unpack(path: Path, folder: Path) -> None:
    """Put the SavedModel into `folder`, `saved_model.pb` at its root; Refused as in `scan`."""
    root = _root(_sizes(path))
    if not _is_zip(path):
        tars.unpack(path, root, folder)
        return
    names = archives.members(path, folders=True, ratio=MAX_RATIO)
    with ZipFile(path) as archive:
        for name in names:
            if not PurePosixPath(name).is_relative_to(root):
                continue
            target = folder / PurePosixPath(name).relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ZIP)) == ZIP


def _sizes(path: Path) -> dict[str, int]:
    """The files by name, with their bytes, after all checks of the archive."""
    sizes = _sizes_zip(path) if _is_zip(path) else tars.members(path)
    folders = {str(folder) for name in sizes for folder in PurePosixPath(name).parents}
    for name in folders & sizes.keys():
        raise Refused(archives.DOUBLED, member=name[:200])
    return sizes


def _sizes_zip(path: Path) -> dict[str, int]:
    found = archives.members(path, folders=True, ratio=MAX_RATIO)
    sizes = {name: member.size for name, member in found.items()}
    archives.check_growth(path.stat().st_size, sum(sizes.values()))
    return sizes


def _root(sizes: dict[str, int]) -> PurePosixPath:
    """The folder of the only graph."""
    graphs = [PurePosixPath(name) for name in sizes if PurePosixPath(name).name == GRAPH]
    if len(graphs) != 1 or len(graphs[0].parts) > 2:
        raise Refused(NO_GRAPH)
    if sizes[str(graphs[0])] > MAX_GRAPH:
        raise Refused(archives.TOO_LARGE, member=str(graphs[0]), limit=MAX_GRAPH)
    return graphs[0].parent

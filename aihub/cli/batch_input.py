"""What a batch job reads: a prefix of the bucket, one table or archive, or pictures to pack."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from aihub.cli import local
from aihub.cli.failures import Exit, Failure

IN_BUCKET = "s3:"
PICTURES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"])


@dataclass(frozen=True)
class Prefix:
    """The objects of the hub's bucket under it."""

    prefix: str


@dataclass(frozen=True)
class OneFile:
    """A table or an archive, sent as it is."""

    file: Path


@dataclass(frozen=True)
class Picture:
    """A file, and the key of its row."""

    file: Path
    key: str


@dataclass(frozen=True)
class Pictures:
    """Pictures in the order of their rows; `given` is what they were found in."""

    given: tuple[Path, ...]
    found: tuple[Picture, ...]


Given = Prefix | OneFile | Pictures


def given(inputs: Sequence[str], prefix: str | None) -> Given:
    """What the arguments mean; `Failure` for what is not there, and for what does not go together.

    The one file is sent as it is unless its name is a picture's; several are pictures.
    """
    if prefix is not None or any(text.startswith(IN_BUCKET) for text in inputs):
        return _prefix(inputs, prefix)
    paths = [Path(text) for text in inputs]
    if not paths:
        raise Failure("Name an input, or --prefix for objects of the bucket.", Exit.USAGE)
    for path in paths:
        if not path.exists():
            raise Failure(f"There is no file {path}.", Exit.USAGE)
    if len(paths) == 1 and paths[0].is_file() and not _is_picture(paths[0]):
        return OneFile(paths[0].resolve())
    return _pictures(paths)


def _prefix(inputs: Sequence[str], prefix: str | None) -> Prefix:
    named = [text.removeprefix(IN_BUCKET) for text in inputs if text.startswith(IN_BUCKET)]
    named += [prefix] if prefix is not None else []
    if len(named) != 1 or len(inputs) > 1 or not named[0] or (inputs and prefix is not None):
        raise Failure("Give one prefix of the bucket, and nothing beside it.", Exit.USAGE)
    return Prefix(named[0])


def _pictures(paths: Sequence[Path]) -> Pictures:
    found: list[Picture] = []
    for path in paths:
        found += _of_folder(path) if path.is_dir() else [_of_file(path)]
    if not found:
        raise Failure("There are no inputs: no pictures.", Exit.USAGE)
    local.check_apart([picture.key for picture in found])
    return Pictures(tuple(path.resolve() for path in paths), tuple(found))


def _of_folder(folder: Path) -> Iterator[Picture]:
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in _natural(files):
            path = Path(top) / name
            if _is_picture(path) and not _is_hidden(name):
                yield Picture(path, path.relative_to(folder).as_posix())


def _of_file(path: Path) -> Picture:
    if not _is_picture(path):
        raise Failure(
            f"{path} is no picture: give one table or archive alone, or pictures and folders.",
            Exit.USAGE,
        )
    if _is_hidden(path.name):
        raise Failure(f"{path} is hidden: give it another name.", Exit.USAGE)
    return Picture(path, path.name if _leads_through_hidden(path) else path.as_posix())


def _is_picture(path: PurePath) -> bool:
    return path.suffix.lower() in PICTURES


def _is_hidden(name: str) -> bool:
    """Whether the hub leaves out what has this name, or lies in a folder of it."""
    return name == "__MACOSX" or (name.startswith(".") and name not in (".", ".."))


def _leads_through_hidden(path: Path) -> bool:
    return any(_is_hidden(part) for part in path.parts)


def _natural(names: Sequence[str]) -> list[str]:
    """In the order that people expect: 2 before 10."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"([0-9]+)", name)
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]

    return sorted(names, key=lambda name: (key(name), name))

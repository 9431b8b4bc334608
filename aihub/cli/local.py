"""Files on this machine: which are meant, what they hold, and whether they stay as they were."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aihub.cli.failures import Exit, Failure

BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Identity:
    """What shows that a file was changed: its size, when it was written, and which it is."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Source:
    """A file to publish, and its path within the version."""

    file: Path
    path: str


def identity(file: Path) -> Identity:
    found = file.stat()
    return Identity(found.st_size, found.st_mtime_ns, found.st_ino)


def sources(given: Sequence[Path]) -> list[Source]:
    """Files by their name, and those within folders by their path there; none that is hidden."""
    found: list[Source] = []
    for path in given:
        found += _within(path) if path.is_dir() else [Source(_file(path), path.name)]
    check_apart([source.path for source in found])
    return found


def check_apart(paths: Sequence[str]) -> None:
    """`Failure` where two files have one path."""
    twice = next((path for path, count in Counter(paths).items() if count > 1), None)
    if twice:
        raise Failure(f"Two files have the path “{twice}”.", Exit.USAGE)


def sha256_of(file: Path, read: Callable[[int], None] = lambda count: None) -> str:
    """The sum of a file; `read` is told of bytes as they are read."""
    digest, block = hashlib.sha256(), bytearray(BLOCK)
    view = memoryview(block)
    with file.open("rb", buffering=0) as opened:
        while count := opened.readinto(block):
            digest.update(view[:count])
            read(count)
    return digest.hexdigest()


def _within(folder: Path) -> list[Source]:
    found: list[Source] = []
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(top) / name
            if not name.startswith("."):
                found.append(Source(_file(file), file.relative_to(folder).as_posix()))
    if not found:
        raise Failure(f"There are no files in {folder}.", Exit.USAGE)
    return found


def _file(path: Path) -> Path:
    """Where a file is to be found wherever one goes; `Failure` where there is none."""
    if not path.exists():
        raise Failure(f"There is no file {path}.", Exit.USAGE)
    if not path.is_file():
        raise Failure(f"{path} is no file.", Exit.USAGE)
    return path.resolve()

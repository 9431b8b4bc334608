"""A folder for one piece of work, of which nothing is left, not even where its worker is killed."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aihub import sandbox

YOUNG = 60.0  # seconds within which a folder is locked for certain


@contextmanager
def own_folder(place: Path) -> Iterator[Path]:
    """A folder in `place`, locked until it is removed; what killed workers left goes first."""
    place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    folder = Path(tempfile.mkdtemp(dir=place))
    with _lock(folder):
        try:
            yield folder
        finally:
            _remove(folder)


def sweep(place: Path) -> None:
    """Remove the folders that no process holds any more."""
    for folder in place.iterdir():
        with suppress(FileNotFoundError):  # another worker sweeps too
            if folder.stat().st_mtime > time.time() - YOUNG:
                continue
            with _lock(folder) as is_ours:
                if is_ours:
                    _remove(folder)


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Whether nobody else has locked it; the kernel lets go of the locks of processes that end."""
    number = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        yield is_ours
    finally:
        os.close(number)


def _remove(folder: Path) -> None:
    sandbox.clear(folder)
    folder.rmdir()

"""Files that were read through: once a process, and again where anything about them changed."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from registry.file_cache import Content


class _Mark(NamedTuple):
    """What changes with a file's content, whoever writes it: the last cannot be set."""

    inode: int
    size: int
    modified: int
    changed: int


class VerifiedFiles:
    """Remembers which files were found to hold their content."""

    def __init__(self) -> None:
        self._marks: dict[str, _Mark] = {}

    def holds(self, path: Path, content: Content) -> bool:
        """Whether the file has this content; FileNotFoundError where there is none."""
        with path.open("rb") as file:
            mark = _mark(file.fileno())
            if self._marks.get(content.sha256) == mark:
                return True
            if mark.size != content.size:
                return False
            if hashlib.file_digest(file, "sha256").hexdigest() != content.sha256:
                return False
            if _mark(file.fileno()) == mark:  # else it was written to meanwhile: look again later
                self._marks[content.sha256] = mark
        return True


def _mark(fd: int) -> _Mark:
    stat = os.fstat(fd)
    return _Mark(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

"""A file that is being fetched: `NAME.part`, and `NAME.part.json` on which pieces are there."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from aihub.cli import places
from aihub.cli.failures import Failure

PIECE = 16 * 1024 * 1024  # bytes
EVERY = 2.0  # seconds between looks of the disk at what arrived


@dataclass(frozen=True)
class Piece:
    """Bytes of a file, by number."""

    number: int
    offset: int
    size: int


class Partial:
    """The pieces of one file, written from any thread; its notes never say more than is on disk."""

    def __init__(self, place: Path, size: int, sha256: str) -> None:
        self.place = place
        self.part = place.with_name(f"{place.name}.part")
        self.notes = place.with_name(f"{place.name}.part.json")
        self._what = {"size": size, "sha256": sha256, "piece": PIECE}
        self._lock = threading.Lock()
        self._saved = time.monotonic()
        self._done: set[int] = set()
        self._size = size

    def __enter__(self) -> Self:
        self.place.parent.mkdir(parents=True, exist_ok=True)
        self._handle = self._opened()
        known = places.read_json(self.notes)
        if os.fstat(self._handle).st_size == self._size and self._fits(known):
            self._done = set(known["done"])
        else:
            os.ftruncate(self._handle, 0)
            os.ftruncate(self._handle, self._size)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self.part.exists():
                self._save()
            os.close(self._handle)

    def missing(self) -> list[Piece]:
        """The pieces that are not there yet, in order."""
        count = -(-self._size // PIECE)
        return [
            Piece(n, n * PIECE, min(PIECE, self._size - n * PIECE))
            for n in range(count)
            if n not in self._done
        ]

    def begin_anew(self) -> None:
        """Count on nothing that is there."""
        with self._lock:
            self._done.clear()

    def write(self, content: bytes, offset: int) -> None:
        with self._lock:
            os.lseek(self._handle, offset, os.SEEK_SET)
            view = memoryview(content)
            while view:
                view = view[os.write(self._handle, view) :]

    def finished(self, piece: Piece) -> None:
        """A piece is whole."""
        with self._lock:
            self._done.add(piece.number)
            if time.monotonic() - self._saved > EVERY:
                self._save()

    def accept(self) -> None:
        """The content is right: it takes its name."""
        os.fsync(self._handle)
        self.part.replace(self.place)
        self.notes.unlink(missing_ok=True)

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def _save(self) -> None:
        os.fsync(self._handle)
        places.write_json(self.notes, self._what | {"done": sorted(self._done)})
        self._saved = time.monotonic()

    def _fits(self, known: dict[str, object]) -> bool:
        done = known.pop("done", None)
        fits = known == self._what and isinstance(done, list)
        known["done"] = done
        return fits

    def _opened(self) -> int:
        """The part file, for this process alone, and not through a link of that name."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(self.part, flags, 0o666)
        if places.lock(handle, wait=False) and self._is_still(handle):
            return handle
        os.close(handle)
        raise Failure(f"Another aihub is fetching {self.place} now.")

    def _is_still(self, handle: int) -> bool:
        """Whether nobody gave the file its name between opening and locking."""
        try:
            return self.part.stat().st_ino == os.fstat(handle).st_ino
        except FileNotFoundError:
            return False

"""The hub's store as inputs and parts are read from it and written to it."""

import io
import os
import tempfile
from pathlib import Path
from typing import IO, Any

from registry.storage import BlobStorage, LocalBlobStorage, Reading, blob_storage, store_errors

WINDOW = 1024 * 1024  # bytes that one read from afar asks for
AHEAD = 8 * WINDOW  # bytes that are rather skipped than asked for anew


class StoreFiles:
    """`inference.batch.rows.Files`; what is written lies in `folder` until it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = blob_storage()

    def open(self, key: str) -> IO[bytes]:
        return stored(key)

    def size(self, key: str) -> int:
        return self._storage.size(key)

    def write(self, key: str) -> IO[bytes]:
        return Putting(self._storage, key, self._folder)

    def put(self, path: Path, key: str) -> None:
        """Make a local file the content of `key`; it is gone afterwards."""
        self._storage.put(path, key)
        path.unlink(missing_ok=True)


def stored(key: str) -> IO[bytes]:
    """An object as a file that one may go about in; FileNotFoundError where there is none."""
    storage = blob_storage()
    if isinstance(storage, LocalBlobStorage):
        with store_errors():
            return Path(storage.path(key)).open("rb")
    return io.BufferedReader(_Far(storage, key), WINDOW)


class Putting(io.FileIO):
    """A local file that becomes an object once it is closed, but not if its block fails."""

    def __init__(self, storage: BlobStorage, key: str, folder: Path) -> None:
        number, name = tempfile.mkstemp(dir=folder)
        super().__init__(number, "wb")
        self._storage, self._key, self._path = storage, key, Path(name)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            self._storage.put(self._path, self._key)
        finally:
            self._path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Close it without a trace."""
        super().close()
        self._path.unlink(missing_ok=True)

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class _Far(io.RawIOBase):
    """An object of a server, read as a stream for as long as reads go forward."""

    def __init__(self, storage: BlobStorage, key: str) -> None:
        self._storage, self._key = storage, key
        self._size = storage.size(key)
        self._place = 0
        self._reading: Reading | None = None
        self._rest = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        place = max(0, start + offset)
        if not self._skip(place - self._place):
            self._let_go()
            self._place = place
        return self._place

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._place)
        if wanted <= 0:
            return 0
        data = self._next()[:wanted]
        buffer[: len(data)] = data
        self._rest = self._rest[len(data) :]
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        self._let_go()
        super().close()

    def _skip(self, distance: int) -> bool:
        """Go forward by reading, where that is near."""
        if distance == 0:
            return True
        if self._reading is None or not 0 < distance <= AHEAD:
            return False
        while distance and (data := self._next()):
            step = min(distance, len(data))
            self._rest = self._rest[step:]
            self._place += step
            distance -= step
        return not distance

    def _next(self) -> bytes:
        """What comes next of the stream, begun where there is none."""
        if self._reading is None:
            size = self._size - self._place
            self._reading = self._storage.range(self._key, self._place, size)
        if not self._rest:
            self._rest = next(self._reading, b"")
        return self._rest

    def _let_go(self) -> None:
        if self._reading is not None:
            self._reading.close()
        self._reading, self._rest = None, b""

"""Bytes of the store's objects: unwrapped from gzip or zstd, and windows over them."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

import pyarrow as pa

from inference.batch.rows import Files

WINDOW = 4 << 20  # bytes of an object that are in memory at a time
_PIECE = 64 << 10  # of unwrapping: what is lost at most in front of a damaged place
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class Stream(Protocol):
    """Bytes, one behind the other; `damaged` once they ended before their time."""

    @property
    def damaged(self) -> bool: ...

    def read(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end."""


class Watched(io.RawIOBase):
    """An object whose own failures are told apart from those of the library that reads it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            self._file.seek(offset, whence)
            return self._file.tell()
        except Exception as error:
            self.failure = error
            raise

    def tell(self) -> int:
        return self._file.tell()


class Plain:
    """`size` bytes from `start` on, read through a window."""

    def __init__(self, file: IO[bytes], start: int = 0, size: int | None = None) -> None:
        file.seek(start)
        self._file = file
        self._left = size
        self.damaged = False

    def read(self, size: int) -> bytes:
        wanted = size if self._left is None else min(size, self._left)
        data = filled(self._file, wanted)
        if self._left is not None:
            self._left -= len(data)
        return data


class Unwrapped:
    """What gzip or zstd holds; damage ends it, behind all that could be read."""

    def __init__(self, file: IO[bytes], codec: str) -> None:
        file.seek(0)
        self._watched = Watched(file)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._watched, mode="r"), codec)
        self.damaged = False

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size > 0 and (piece := self._piece(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        if self.damaged:
            return b""
        try:
            data: bytes = self._stream.read(size)
        except (OSError, pa.ArrowInvalid):
            if self._watched.failure is not None:
                raise self._watched.failure from None
            self.damaged = True
            return b""
        return data


class Recoded:
    """A text of any encoding as UTF-8; what is invalid in it is invalid UTF-8 too."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._held = b""
        self._ended = False

    @property
    def damaged(self) -> bool:
        return self._stream.damaged

    def read(self, size: int) -> bytes:
        while len(self._held) < size and not self._ended:
            data = self._stream.read(max(size, _PIECE))
            self._ended = not data
            self._held += self._text(data)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _text(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, final=not data).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # half a character at the end
            return b"\xff"


def filled(file: Any, size: int) -> bytes:
    """As many bytes as there are, up to `size`: a store may give fewer at once."""
    data: bytes = file.read(size)
    if len(data) in (0, size):
        return data
    pieces = [data]
    missing = size - len(data)
    while missing and (data := file.read(missing)):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


def codec_of(head: bytes) -> str:
    """`gzip`, `zstd` or nothing."""
    return next((codec for magic, codec in _MAGIC.items() if head.startswith(magic)), "")


@contextmanager
def opened(files: Files, key: str, *, unwrap: bool = True) -> Iterator[tuple[Stream, str]]:
    """An object from its beginning, and what it was wrapped in."""
    with files.open(key) as file:
        codec = codec_of(filled(file, 4)) if unwrap else ""
        yield (Unwrapped(file, codec) if codec else Plain(file)), codec


@contextmanager
def packed(files: Files, key: str) -> Iterator[Any]:
    """A new object that is zstd (of level 1, Arrow's own choice) of what is written to it."""
    with files.write(key) as file:
        sink = pa.PythonFile(file, mode="w")
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            yield stream


class Window:
    """Ranges of an object: those that follow one another are read in one pass."""

    def __init__(self, file: IO[bytes], size: int = WINDOW) -> None:
        self._file = file
        self._size = size
        self._start = 0
        self._data = b""

    def at(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on; fewer at the end of the object."""
        begin = start - self._start
        if begin < 0 or begin + size > len(self._data):
            self._move(start, size)
            begin = 0
        return self._data[begin : begin + size]

    def _move(self, start: int, size: int) -> None:
        behind = start - self._start
        kept = self._data[behind:] if 0 <= behind < len(self._data) else b""
        self._file.seek(start + len(kept))
        self._data = kept + filled(self._file, max(self._size, size) - len(kept))
        self._start = start

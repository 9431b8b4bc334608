"""Files that know what went through them."""

import hashlib
import io
from typing import IO, Any

from inference.batch.outputs.shape import DamagedPart, Part

BLOCK = 1 << 20


class Summed(io.RawIOBase):
    """Writes pass to `file` and are counted; closing this leaves the file open."""

    def __init__(self, file: IO[bytes], *names: str) -> None:
        self._file = file
        self._sums = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self.size = 0
        self.last = b""  # eight bytes at most

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any, /) -> int:
        self._file.write(data)
        for running in self._sums.values():
            running.update(data)
        length = memoryview(data).nbytes
        self.size += length
        self.last = (self.last + bytes(data[-8:]))[-8:]
        return length

    def sums(self) -> dict[str, str]:
        """Hexadecimal, by name."""
        return {name: running.hexdigest() for name, running in self._sums.items()}


class Checked(io.RawIOBase):
    """A part as it is read: its end is reached by the very bytes that were written, or raises
    DamagedPart."""

    def __init__(self, part: Part, file: IO[bytes]) -> None:
        self._part = part
        self._file = file
        self._sum = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = BLOCK, /) -> bytes:
        data = self._file.read(size)
        self._sum.update(data)
        if not data and self._sum.hexdigest() != self._part.sha256:
            raise DamagedPart(f"not the part that was written: {self._part.sha256}")
        return data

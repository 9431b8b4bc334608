"""A store that is a folder, for what reads and writes through `inference.batch.rows.Files`."""

from pathlib import Path
from typing import IO, cast


class FolderFiles:
    """Keys are paths below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, key: str) -> IO[bytes]:
        return (self.folder / key).open("rb")

    def size(self, key: str) -> int:
        return (self.folder / key).stat().st_size

    def write(self, key: str) -> IO[bytes]:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return cast(IO[bytes], path.open("wb"))

    def put(self, key: str, data: bytes) -> str:
        """Lay down an object; returns its key."""
        with self.write(key) as file:
            file.write(data)
        return key

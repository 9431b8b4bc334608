"""What is remembered of an upload until its version is there: how a later command goes on."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aihub.cli import places
from aihub.cli.failures import Failure
from aihub.cli.local import Identity


@dataclass(frozen=True)
class Unfinished:
    """A file as it was, its sum, and the upload that it goes to (none yet: empty)."""

    identity: Identity
    sha256: str
    upload: str = ""


class Memory:
    """The notes on one file for one hub."""

    def __init__(self, url: str, file: Path) -> None:
        self._url, self._file = url, file
        name = hashlib.sha256(f"{url}\0{file}".encode()).hexdigest()[:32]
        self.path = places.uploads_folder() / f"{name}.json"

    def recall(self, identity: Identity) -> Unfinished | None:
        """What is known of the file, if it is still what it was."""
        known = self._known()
        return known if known and known.identity == identity else None

    def upload_of(self, sha256: str) -> str:
        """The upload that this very content was on its way to; the empty text without one."""
        known = self._known()
        return known.upload if known and known.sha256 == sha256 else ""

    def keep(self, unfinished: Unfinished) -> None:
        places.write_json(
            self.path, {"hub": self._url, "file": str(self._file)} | asdict(unfinished)
        )

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def _known(self) -> Unfinished | None:
        found = places.read_json(self.path)
        try:
            return Unfinished(Identity(**found["identity"]), found["sha256"], found["upload"])
        except (KeyError, TypeError):
            return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block lasts, this process alone has the notes; `Failure`: another one does."""
        with places.locked(self.path, wait=False) as free:
            if not free:
                raise Failure(f"Another aihub is sending {self._file.name} to this hub now.")
            yield

"""Parts in a folder: one file, each part written at its own place in it.

Beside the file lies a note a part: `writing TOKEN` while it is sent, `done SIZE MD5` once it is
there. Whoever begins to send a part again writes a new token, and each chunk is written only while
the token stands, both under one lock: the newest sender wins, nothing is ever mixed, and what was
joined or forgotten is written to by nobody.
"""

import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from django.core import signing

from registry.parts_types import STAGED, URL_SECONDS, Part, PartsLost
from registry.storage import LocalBlobStorage, store_errors

DATA, LOCK = "data", "lock"
SUFFIX = ".parts"


class Overtaken(Exception):
    """Another call began to send the same part."""


class WrongLength(Exception):
    """The bytes of a part ended early; `size` came."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class FolderParts:
    """Parts beside the content that they are to become."""

    def __init__(self, storage: LocalBlobStorage) -> None:
        self._storage = storage

    def begin(self, key: str) -> str:
        with store_errors():
            folder = self._folder(key)
            folder.mkdir(parents=True)
            (folder / LOCK).touch()
            (folder / DATA).touch(0o600)
        return "folder"

    def url(self, key: str, store_id: str, part: int, size: int) -> str:
        expires = int(time.time()) + URL_SECONDS
        upload = key.removeprefix(STAGED)
        signature = _signature(upload, part, expires)
        path = f"/api/v1/uploads/{upload}/parts/{part}/"
        return f"{path}?expires={expires}&signature={signature}"

    def write(self, key: str, part: int, offset: int, size: int, chunks: Iterable[bytes]) -> str:
        """Take a part of `size` bytes that belongs at `offset`; its tag.

        Raises PartsLost, Overtaken, WrongLength, and what `chunks` raises.
        """
        folder, token = self._folder(key), f"writing {uuid.uuid4().hex}"
        with store_errors(), _locked(folder) as lock:
            with lock.held():
                _note(folder, part, token)
            with (folder / DATA).open("r+b", buffering=0) as file:
                md5, written = hashlib.md5(usedforsecurity=False), 0
                for chunk in chunks:
                    if written + len(chunk) > size:
                        raise WrongLength(written + len(chunk))
                    with lock.held(), _ours(folder, part, token):
                        _write_all(file.fileno(), chunk, offset + written)
                    md5.update(chunk)
                    written += len(chunk)
                if written != size:
                    raise WrongLength(written)
                os.fdatasync(file.fileno())
            with lock.held(), _ours(folder, part, token):
                _note(folder, part, f"done {size} {md5.hexdigest()}")
        return md5.hexdigest()

    def arrived(self, key: str, store_id: str) -> list[Part]:
        with store_errors():
            folder = self._folder(key)
            try:
                names = [path.name for path in folder.iterdir() if path.name.isdigit()]
            except FileNotFoundError:
                raise PartsLost from None
            parts = (_read(folder, int(name)) for name in names)
            return sorted((part for part in parts if part), key=lambda part: part.number)

    def join(self, key: str, store_id: str, parts: Sequence[Part]) -> None:
        folder = self._folder(key)
        with store_errors(), _locked(folder) as lock, lock.held():
            try:
                if any(_read(folder, part.number) != part for part in parts):
                    raise PartsLost
                (folder / DATA).replace(self._storage.path(key))
            except FileNotFoundError:
                raise PartsLost from None
            shutil.rmtree(folder, ignore_errors=True)

    def forget(self, key: str) -> None:
        folder = self._folder(key)
        try:
            with store_errors(), _locked(folder) as lock, lock.held(), suppress(FileNotFoundError):
                shutil.rmtree(folder)  # unless it was joined while this waited
        except PartsLost:
            shutil.rmtree(folder, ignore_errors=True)

    def begun_before(self, moment: datetime) -> Iterator[tuple[str, str]]:
        for folder in Path(self._storage.path(STAGED)).glob(f"*{SUFFIX}"):
            try:
                touched = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            except FileNotFoundError:
                continue
            if touched < moment:
                yield f"{STAGED}{folder.name.removesuffix(SUFFIX)}", "folder"

    def _folder(self, key: str) -> Path:
        return Path(self._storage.path(f"{key}{SUFFIX}"))


def signature_holds(upload: str, part: int, expires: str, signature: str) -> bool:
    """Whether the hub signed this address, and it has not expired."""
    if not (expires.isascii() and expires.isdigit() and len(expires) < 13):
        return False
    try:
        _signer().unsign(f"{_signed(upload, part, int(expires))}:{signature}")
    except signing.BadSignature:
        return False
    return int(expires) >= time.time()


def _signature(upload: str, part: int, expires: int) -> str:
    return _signer().signature(_signed(upload, part, expires))


def _signed(upload: str, part: int, expires: int) -> str:
    return f"{upload}/{part}/{expires}"


def _signer() -> signing.Signer:
    return signing.Signer(salt="registry.part")


class _Lock:
    """One at a time, in whatever process or thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @contextmanager
    def held(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


@contextmanager
def _ours(folder: Path, part: int, token: str) -> Iterator[None]:
    """Only if it is still this call that sends the part."""
    try:
        note = (folder / str(part)).read_text()
    except FileNotFoundError:
        raise PartsLost from None
    if note != token:
        raise Overtaken
    yield


@contextmanager
def _locked(folder: Path) -> Iterator[_Lock]:
    """The folder's lock, not taken yet; each call has its own."""
    try:
        fd = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        raise PartsLost from None
    try:
        yield _Lock(fd)
    finally:
        os.close(fd)


def _note(folder: Path, part: int, text: str) -> None:
    """Write a part's note, in one step."""
    fresh = folder / f"{part}.{uuid.uuid4().hex}"
    try:
        fresh.write_text(text)
        fresh.replace(folder / str(part))
    except FileNotFoundError:
        raise PartsLost from None


def _read(folder: Path, number: int) -> Part | None:
    try:
        words = (folder / str(number)).read_text().split()
    except FileNotFoundError:
        return None
    return Part(number, int(words[1]), words[2]) if words[0] == "done" else None


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written

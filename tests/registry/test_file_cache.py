"""Local copies: verified, bounded, shared by real processes that race and die."""

import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from registry import file_cache
from registry.file_cache import KEPT, Content, FileCache, WrongContent, kept
from registry.storage import BlobRef, blob_storage, local_blob

SIZE = 1000
FETCH = """
import sys
from pathlib import Path
from registry.file_cache import Content, FileCache, kept

folder, name, log, mode = sys.argv[1:]
data = name.encode() * 1000

def source():
    with open(log, "a") as file:
        file.write("fetched\\n")
    yield data[:500]
    print("half", flush=True)
    if mode == "hang":
        sys.stdin.read()
    yield data[500:]

import hashlib
content = Content(hashlib.sha256(data).hexdigest(), len(data))
print("ready", flush=True)
sys.stdin.readline()
with kept():
    path = FileCache(Path(folder), 10**6).local(content, source)
    assert path.read_bytes() == data
    print("done", flush=True)
    if mode == "hold":
        sys.stdin.read()
"""


class Clock:
    """Time that passes when a test says so; it starts now, as files have real times."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Store:
    """A store that counts how often each content is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def take(self, cache: FileCache, data: bytes) -> Path:
        def source() -> Iterator[bytes]:
            self.sent.append(data[:1])
            yield data[: len(data) // 2]
            yield data[len(data) // 2 :]

        return cache.local(content_of(data), source)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> FileCache:
    """Room for three contents of `SIZE`."""
    return FileCache(tmp_path, 3 * SIZE + 1, clock)


def content_of(data: bytes) -> Content:
    return Content(hashlib.sha256(data).hexdigest(), len(data))


def data_of(letter: bytes, size: int = SIZE) -> bytes:
    return letter * size


def held(folder: Path) -> set[str]:
    """The first letter of each copy that is there."""
    return {path.read_text()[:1] for path in folder.glob("??/*")}


def use(cache: FileCache, store: Store, clock: Clock, data: bytes) -> None:
    """Take a copy and let it go, a second after the last."""
    clock.now += 1
    with kept():
        store.take(cache, data)


def test_it_fetches_once_and_hands_out_the_same_copy(cache: FileCache, store: Store) -> None:
    first, again = (store.take(cache, data_of(b"a")) for _ in range(2))
    assert first == again
    assert first.read_bytes() == data_of(b"a")
    assert store.sent == [b"a"]


def test_it_keeps_content_without_bytes(cache: FileCache, store: Store) -> None:
    assert store.take(cache, b"").read_bytes() == b""


def test_a_copy_cannot_be_written_to(cache: FileCache, store: Store) -> None:
    assert store.take(cache, data_of(b"a")).stat().st_mode & 0o777 == 0o400


def test_the_least_recently_used_leaves_first(
    cache: FileCache, store: Store, clock: Clock, tmp_path: Path
) -> None:
    for letter in (b"a", b"b", b"c", b"a", b"d"):
        use(cache, store, clock, data_of(letter))
    assert held(tmp_path) == {"a", "c", "d"}
    assert store.sent == [b"a", b"b", b"c", b"d"]


def test_it_stays_within_its_bound(
    cache: FileCache, store: Store, clock: Clock, tmp_path: Path
) -> None:
    for number in range(20):
        use(cache, store, clock, data_of(bytes([97 + number]), 400 + 50 * number))
        assert sum(path.stat().st_size for path in tmp_path.glob("??/*")) <= 3 * SIZE + 1


def test_what_is_in_use_stays(cache: FileCache, store: Store, clock: Clock, tmp_path: Path) -> None:
    with kept():
        path = store.take(cache, data_of(b"a"))
        for letter in (b"b", b"c", b"d", b"e"):
            use(FileCache(tmp_path, 3 * SIZE + 1, clock), store, clock, data_of(letter))
        assert path.read_bytes() == data_of(b"a")
    use(cache, store, clock, data_of(b"f"))
    assert "a" not in held(tmp_path)


def test_what_is_handed_out_without_a_block_stays_long_enough_to_be_opened(
    cache: FileCache, store: Store, clock: Clock, tmp_path: Path
) -> None:
    store.take(cache, data_of(b"a"))
    use(cache, store, clock, data_of(b"a"))  # which takes nothing back of what was promised
    clock.now += KEPT / 2
    for letter in (b"b", b"c", b"d", b"e"):
        use(cache, store, clock, data_of(letter))
    assert "a" in held(tmp_path)
    clock.now += KEPT
    for letter in (b"f", b"g", b"h"):
        use(cache, store, clock, data_of(letter))
    assert "a" not in held(tmp_path)


def test_a_clock_that_was_wrong_keeps_nothing_for_ever(
    cache: FileCache, store: Store, clock: Clock, tmp_path: Path
) -> None:
    clock.now += 10**6
    store.take(cache, data_of(b"a"))
    clock.now -= 10**6
    for letter in (b"b", b"c", b"d"):
        use(cache, store, clock, data_of(letter))
    assert held(tmp_path) == {"b", "c", "d"}


def test_what_is_larger_than_the_cache_works_and_leaves_first(
    cache: FileCache, store: Store, clock: Clock, tmp_path: Path
) -> None:
    for letter in (b"a", b"b"):
        use(cache, store, clock, data_of(letter))
    with kept():
        clock.now += 1
        assert store.take(cache, data_of(b"L", 9999)).stat().st_size == 9999
        assert held(tmp_path) == {"a", "b", "L"}
    use(cache, store, clock, data_of(b"c"))
    assert held(tmp_path) == {"a", "b", "c"}


def test_a_wrong_sum_leaves_nothing(cache: FileCache, tmp_path: Path) -> None:
    for sent in (b"changed!", b"short", b"much too long"):
        with pytest.raises(WrongContent):
            cache.local(content_of(b"original"), lambda sent=sent: [sent])
    assert held(tmp_path) == set()


def test_a_download_that_breaks_off_leaves_nothing(cache: FileCache, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"orig"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.local(content_of(b"original"), broken)
    assert held(tmp_path) == set()
    assert cache.local(content_of(b"original"), lambda: [b"original"]).read_bytes() == b"original"


@pytest.mark.parametrize("damage", [b"x" * SIZE, b"short"], ids=["changed", "cut"])
def test_a_damaged_copy_is_fetched_again(cache: FileCache, store: Store, damage: bytes) -> None:
    path = store.take(cache, data_of(b"a"))
    path.chmod(0o600)
    path.write_bytes(damage)
    assert store.take(cache, data_of(b"a")).read_bytes() == data_of(b"a")
    assert store.sent == [b"a", b"a"]


def test_another_process_reads_a_copy_through_before_it_trusts_it(
    cache: FileCache, store: Store, clock: Clock, tmp_path: Path
) -> None:
    path = store.take(cache, data_of(b"a"))
    before = path.stat()
    path.chmod(0o600)
    path.write_bytes(data_of(b"x"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    other = FileCache(tmp_path, 3 * SIZE + 1, clock)
    assert store.take(other, data_of(b"a")).read_bytes() == data_of(b"a")
    assert store.sent == [b"a", b"a"]


def test_on_a_full_disk_unused_copies_leave_before_it_gives_up(
    cache: FileCache,
    store: Store,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(cache, store, clock, data_of(b"a"))

    def fallocate(fd: int, start: int, size: int) -> None:
        if held(tmp_path) - {""}:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(file_cache.os, "posix_fallocate", fallocate)
    use(cache, store, clock, data_of(b"b"))
    assert held(tmp_path) == {"b"}
    with kept():
        store.take(cache, data_of(b"b"))
        with pytest.raises(OSError, match="full"):
            store.take(cache, data_of(b"c"))
    assert held(tmp_path) == {"b"}


def test_threads_fetch_once(cache: FileCache) -> None:
    fetched, gate = [], threading.Barrier(8)

    def source() -> Iterable[bytes]:
        fetched.append(1)
        return [data_of(b"a")]

    def run() -> None:
        gate.wait()
        with kept():
            assert cache.local(content_of(data_of(b"a")), source).read_bytes() == data_of(b"a")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1


class Process:
    """A process that takes one content from the cache; it begins when told."""

    def __init__(self, folder: Path, name: str, mode: str = "") -> None:
        log = folder.with_name("log")
        self.process = subprocess.Popen(
            [sys.executable, "-c", FETCH, str(folder), name, str(log), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.wait_for("ready")

    def begin(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def wait_for(self, word: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.strip() == word:
                return
        pytest.fail(f"the process ended without {word!r}")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def finish(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies"


def downloads(folder: Path) -> int:
    return len(folder.with_name("log").read_text().splitlines())


def test_processes_that_start_at_once_fetch_once(folder: Path) -> None:
    processes = [Process(folder, "a") for _ in range(4)]
    for process in processes:
        process.begin()
    for process in processes:
        process.finish()
    assert downloads(folder) == 1


def test_a_process_uses_what_another_holds(folder: Path) -> None:
    holder, other = Process(folder, "a", "hold"), Process(folder, "a")
    holder.begin()
    holder.wait_for("done")
    other.begin()
    other.finish()
    holder.finish()
    assert downloads(folder) == 1


def test_another_takes_over_from_a_process_killed_while_it_fetched(folder: Path) -> None:
    dying, *others = Process(folder, "a", "hang"), Process(folder, "a"), Process(folder, "a")
    dying.begin()
    dying.wait_for("half")
    for process in others:
        process.begin()
    dying.kill()
    for process in others:
        process.finish()
    assert downloads(folder) == 2
    assert held(folder) == {"a"}


def test_what_a_killed_process_left_leaves_in_its_turn(folder: Path, store: Store) -> None:
    dying = Process(folder, "a", "hang")
    dying.begin()
    dying.wait_for("half")
    cache = FileCache(folder, 1500)
    with kept():
        store.take(cache, data_of(b"b"))
        assert len(list(folder.glob("??/*.part"))) == 1  # it is being written
    dying.kill()
    with kept():
        store.take(cache, data_of(b"c"))
    assert held(folder) == {"c"}


def test_what_another_process_holds_stays_until_it_dies(folder: Path, store: Store) -> None:
    holder = Process(folder, "a", "hold")
    holder.begin()
    holder.wait_for("done")
    cache = FileCache(folder, 1500)
    with kept():
        store.take(cache, data_of(b"b"))
    assert held(folder) == {"a", "b"}
    holder.kill()
    with kept():
        store.take(cache, data_of(b"c"))
    assert held(folder) == {"c"}


LOCAL = """
import django, sys
django.setup()
from registry.storage import BlobRef, local_blob
print("ready", flush=True)
sys.stdin.readline()
sha256, md5, size = sys.argv[1:]
print(local_blob(BlobRef(sha256, md5, int(size))), flush=True)
"""


def test_processes_share_what_they_fetch_from_the_store() -> None:
    data = uuid4().bytes * 100_000
    md5 = hashlib.md5(data).hexdigest()
    ref = BlobRef(hashlib.sha256(data).hexdigest(), md5, len(data))
    writer = blob_storage().writer(ref.key)
    writer.write(data)
    writer.close()
    command = [sys.executable, "-c", LOCAL, ref.sha256, ref.md5, str(ref.size)]
    environ = os.environ | {"DJANGO_SETTINGS_MODULE": "aihub.settings"}
    processes = [
        subprocess.Popen(
            command, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    paths = {process.communicate("go\n")[0].strip() for process in processes}
    assert paths == {str(local_blob(ref))}
    assert local_blob(ref).read_bytes() == data

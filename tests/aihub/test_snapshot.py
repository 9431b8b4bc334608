"""Snapshots: fresh while the database answers, old but there while it does not."""

import asyncio
from pathlib import Path

import pytest
from django.db import OperationalError

from aihub.snapshot import Freshener, Poller, Snapshot

pytestmark = pytest.mark.django_db  # a poller that fails lets go of its connection


class Source:
    """A database of one list and its revision; it can be away."""

    def __init__(self) -> None:
        self.names = ["one"]
        self.number = 1
        self.reads = 0
        self.away = False

    def load(self) -> list[str]:
        self.reads += 1
        return list(self.names)

    def revision(self) -> int:
        if self.away:
            raise OperationalError("the database is away")
        return self.number

    def snapshot(self, path: Path) -> Snapshot[list[str]]:
        return Snapshot(load=self.load, dump=list, parse=list, path=path, empty=[])


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snapshots" / "names.json"


def test_it_is_empty_before_it_is_read(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    assert snapshot.current() == []
    assert not snapshot.loaded


def test_it_reads_again_only_when_the_revision_grows(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    poller = Poller([snapshot], source.revision)
    poller.poll()
    poller.poll()
    assert source.reads == 1
    source.names, source.number = ["one", "two"], 2
    poller.poll()
    assert snapshot.current() == ["one", "two"]
    assert source.reads == 2


def test_it_keeps_answering_when_the_database_is_away(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    poller = Poller([snapshot], source.revision)
    poller.poll()
    source.away = True
    poller.poll()
    assert snapshot.current() == ["one"]
    source.away, source.names, source.number = False, ["two"], 2
    poller.poll()
    assert snapshot.current() == ["two"]


def test_a_new_process_starts_from_disk_with_the_database_away(source: Source, path: Path) -> None:
    Poller([source.snapshot(path)], source.revision).poll()
    source.away = True
    restarted = source.snapshot(path)
    Poller([restarted], source.revision).poll()
    assert restarted.loaded
    assert restarted.current() == ["one"]


def test_a_failing_load_is_tried_again(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    poller = Poller([snapshot], source.revision)
    snapshot.load = lambda: 1 / 0  # type: ignore[assignment, return-value]
    poller.poll()
    assert not snapshot.loaded
    snapshot.load = source.load
    poller.poll()
    assert snapshot.current() == ["one"]


@pytest.mark.parametrize("content", ["", "{", "null", "7", "\ufeff"])
def test_a_damaged_file_counts_as_none(source: Source, path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    snapshot = source.snapshot(path)
    snapshot.restore()
    assert not snapshot.loaded
    assert snapshot.current() == []


def test_it_leaves_nothing_else_beside_its_file(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    snapshot.refresh()
    snapshot.refresh()
    assert [file.name for file in path.parent.iterdir()] == ["names.json"]
    assert path.stat().st_mode & 0o077 == 0


def test_ticks_run_beside_it_and_their_failure_harms_nothing(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    ticked = []
    poller = Poller([snapshot], source.revision, ticks=[lambda: ticked.append(1), lambda: 1 / 0])
    poller.poll()
    poller.poll()
    assert ticked == [1, 1]
    assert snapshot.current() == ["one"]


def test_it_polls_by_itself_until_it_is_stopped(
    source: Source, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aihub.snapshot.POLL_EVERY", 0.01)
    snapshot = source.snapshot(path)
    poller = Poller([snapshot], source.revision)
    poller.start()
    for _ in range(500):
        if snapshot.loaded:
            break
        poller.join(0.01)
    poller.stop()
    assert snapshot.loaded
    assert not poller.is_alive()


def test_a_freshened_snapshot_knows_what_was_committed_before(source: Source, path: Path) -> None:
    snapshot = source.snapshot(path)
    poller = Poller([snapshot], source.revision)

    async def look_twice() -> list[list[str]]:
        freshen, seen = Freshener(poller), []
        for number in (1, 2):
            source.names, source.number = [str(number)], number
            await freshen()
            seen.append(snapshot.current())
        return seen

    assert asyncio.run(look_twice()) == [["1"], ["2"]]


def test_callers_at_the_same_time_share_a_look(source: Source, path: Path) -> None:
    looks: list[int] = []
    poller = Poller([source.snapshot(path)], source.revision, ticks=[lambda: looks.append(1)])

    async def crowd() -> None:
        freshen = Freshener(poller)
        await asyncio.gather(*(freshen() for _ in range(100)))

    asyncio.run(crowd())
    assert len(looks) == 1


def test_nobody_waits_for_a_database_that_is_away(source: Source, path: Path) -> None:
    poller = Poller([source.snapshot(path)], source.revision)
    source.away = True
    poller.poll()
    reads = source.reads
    asyncio.run(Freshener(poller)())
    assert source.reads == reads


def test_it_knows_how_long_the_database_has_been_away(source: Source, path: Path) -> None:
    poller = Poller([source.snapshot(path)], source.revision)
    poller.looked_at -= 60
    source.away = True
    poller.poll()
    assert poller.age() > 60
    source.away = False
    poller.poll()  # nothing changed, and that is known
    assert poller.age() < 30

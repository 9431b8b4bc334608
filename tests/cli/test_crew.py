"""Threads that share work: as many as there shall be, at each moment."""

import threading

import pytest

from aihub.cli.crew import work_on


def test_as_many_work_as_there_shall_be() -> None:
    width, working, lock = 1, 0, threading.Lock()
    seen: dict[int, int] = {}

    def narrow() -> None:
        nonlocal width
        width = 1

    together = threading.Barrier(3, narrow)

    def work(item: int) -> int:
        nonlocal working
        with lock:
            working += 1
            seen[item] = working
        if item in (3, 4, 5):
            together.wait(30)
        with lock:
            working -= 1
        return item

    def threads() -> int:
        return width

    done = []
    for item in work_on(range(1, 9), work, threads=threads, stop=threading.Event()):
        done.append(item)
        if item == 2:
            width = 3
    assert sorted(done) == list(range(1, 9))
    assert [seen[item] for item in (1, 2, 6, 7, 8)] == [1] * 5
    assert max(seen.values()) == 3


def test_the_first_error_ends_it() -> None:
    stop = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            raise ValueError(item)
        return item

    with pytest.raises(ValueError, match="3"):
        list(work_on(range(10), work, threads=lambda: 2, stop=stop))
    assert stop.is_set()

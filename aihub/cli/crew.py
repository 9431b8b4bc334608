"""The same work on many items by a few threads; the caller's thread alone waits and is told."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

STAFFED = 0.2  # seconds after which it is looked whether there shall be more threads

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_on(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    threads: Callable[[], int],
    stop: threading.Event,
) -> Iterator[Result]:
    """The results as they come, by as many threads as there shall be at each moment. The first
    error is raised here; then, as when the caller leaves, `stop` is set, and the threads (daemons)
    take no more. `work` should look at `stop` too."""
    todo = deque(items)
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()
    working = 0  # changed with the lock alone, like what is to do
    lock = threading.Lock()

    def take() -> Item | None:
        nonlocal working
        with lock:
            if todo and working <= threads() and not stop.is_set():
                return todo.popleft()
            working -= 1
            return None

    def run() -> None:
        while (item := take()) is not None:
            try:
                done.put((work(item), None))
            except BaseException as error:
                done.put((None, error))
                return

    def staff() -> None:
        nonlocal working
        with lock:
            missing = min(threads() - working, len(todo))
            working += max(0, missing)
        for _ in range(missing):
            threading.Thread(target=run, daemon=True).start()

    left = len(todo)
    try:
        while left:
            staff()
            try:
                result, error = done.get(timeout=STAFFED)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            left -= 1
            yield result  # type: ignore[misc]
    except BaseException:
        stop.set()
        raise

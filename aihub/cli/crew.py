"""The same work on many items by a few threads; the caller's thread alone waits and is told."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
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


def in_order(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    threads: int,
    stop: threading.Event,
) -> Iterator[Result]:
    """As `work_on`, with results in the order of the items, of which few are taken ahead."""
    todo: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()

    def run() -> None:
        while (given := todo.get()) is not None and not stop.is_set():
            item, future = given
            try:
                future.set_result(work(item))
            except BaseException as error:
                future.set_exception(error)

    for _ in range(threads):
        threading.Thread(target=run, daemon=True).start()
    ahead: deque[Future[Result]] = deque()
    try:
        for item in items:
            future: Future[Result] = Future()
            ahead.append(future)
            todo.put((item, future))
            if len(ahead) >= 4 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    except BaseException:
        stop.set()
        raise
    finally:
        for _ in range(threads):
            todo.put(None)

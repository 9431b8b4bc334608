"""The same work on many items by a few threads; the caller's thread alone waits and is told."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_on(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    threads: int,
    stop: threading.Event,
) -> Iterator[Result]:
    """The results as they come. The first error is raised here; then, as when the caller leaves,
    `stop` is set, and the threads (daemons) take no more. `work` should look at `stop` too."""
    todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
    count = 0
    for item in items:
        todo.put(item)
        count += 1
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        while not stop.is_set():
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((work(item), None))
            except BaseException as error:
                done.put((None, error))
                return

    for _ in range(min(threads, count)):
        threading.Thread(target=run, daemon=True).start()
    try:
        for _ in range(count):
            result, error = done.get()
            if error is not None:
                raise error
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

"""How far a transfer is: a bar on a terminal, a line now and then elsewhere, or nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from aihub.cli.output import Output, clean, size

EVERY = 10.0  # seconds between lines where there is no terminal


class Meter(Protocol):
    """Counts bytes, from any thread."""

    def add(self, count: int) -> None:
        """So many more; fewer with a negative count, where they must be sent again."""


class Silent:
    def add(self, count: int) -> None:
        pass


class Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def add(self, count: int) -> None:
        self._progress.advance(self._task, count)


class Lines:
    def __init__(self, output: Output, name: str, total: int, done: int) -> None:
        self._output, self._name, self._total = output, name, total
        self._begun = self._done = done
        self._started = self._said = time.monotonic()
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._said < EVERY:
                return
            self._said = now
            line = self._line(now)
        self._output.note(line)

    def _line(self, now: float) -> str:
        rate = max(1.0, (self._done - self._begun) / max(now - self._started, 1e-3))
        left = max(0, self._total - self._done) / rate
        share = 100 * self._done // max(1, self._total)
        return (
            f"{self._name}: {share} % of {size(self._total)}, "
            f"{size(int(rate))}/s, {left:.0f} s left"
        )


@contextmanager
def metered(output: Output, name: str, total: int, done: int = 0) -> Iterator[Meter]:
    """Shows how far `name` is while the block lasts; `total` and `done` in bytes."""
    if output.quiet:
        yield Silent()
    elif not output.err.is_terminal:
        yield Lines(output, name, total, done)
    else:
        with _progress(output) as progress:
            yield Bar(progress, progress.add_task(clean(name), total=total, completed=done))


def _progress(output: Output) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=output.err,
    )

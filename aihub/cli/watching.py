"""A batch job, watched until it is over."""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn

from aihub.cli import jobs
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.output import Output, clean
from aihub.cli.progress import EVERY

OVER = ("succeeded", "failed", "cancelled")
SOONEST, LATEST = 0.2, 2.0  # seconds between two looks: more and more while nothing ends

Show = Callable[[Mapping[str, Any]], None]


def over(hub: Hub, output: Output, job: int) -> dict[str, Any]:
    """The job once it is over, however it ended."""
    pause = SOONEST
    with _shown(output) as show:
        while True:
            found = jobs.found(hub, job)
            show(found)
            if found["state"] in OVER:
                return found
            time.sleep(pause)
            pause = min(1.2 * pause, LATEST)


@contextmanager
def goes_on(job: int, to: Path | None) -> Iterator[None]:
    """Says how to come back to a job that this command leaves: interrupted, or without a hub."""
    again = f"aihub jobs wait {job}" + (f" -o {shlex.quote(str(to))}" if to else "")
    on = f"job {job} goes on; “{again}” comes back to it."
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(f"interrupted; {on}", Exit.INTERRUPTED, job=job) from None
    except Failure as failure:
        if failure.code in (Exit.UNREACHABLE, Exit.INTERRUPTED):
            failure.message = f"{failure.message.rstrip('.')}; {on}"
        raise


def check(found: Mapping[str, Any]) -> None:
    """`Failure` for a job that did not succeed."""
    if found["state"] == "succeeded":
        return
    why = f": {found['reason']}" if found["reason"] else "."
    raise Failure(f"Job {found['id']} is {found['state']}{why}", job=dict(found))


def check_rows(found: Mapping[str, Any], to: Path | None) -> None:
    """`Failure` where no row went well."""
    total, failed = found["total"], found["failed"]
    if failed == total:
        where = f"; {to} says why" if to else ""
        raise Failure(f"{failed} of {total} rows failed{where}.", job=dict(found))


def counted(found: Mapping[str, Any]) -> str:
    """How far a job is, in rows."""
    through = found["done"] + found["failed"]
    said = f"{through} of {found['total']} rows" if found["total"] else f"{through} rows"
    if found["failed"]:
        said += f", {found['failed']} failed"
    if found["state"] == "running" and found["rate"]:
        said += f", {found['rate']:.0f} rows/s"
    if found["eta_seconds"] is not None:
        said += f", {found['eta_seconds']:.0f} s left"
    return said


@contextmanager
def _shown(output: Output) -> Iterator[Show]:
    """Tells why nothing happens, and how far the job is: a bar on a terminal, else a line when
    its state changes and every ten seconds."""
    if output.quiet or not output.err.is_terminal:
        yield _with_stalls(output, _Lines(output))
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    said = TextColumn("{task.fields[said]}", markup=False)
    with Progress(*columns, said, console=output.err) as progress:
        task = progress.add_task("", total=None, said="")

        def show(found: Mapping[str, Any]) -> None:
            progress.update(
                task,
                description=clean(f"job {found['id']}: {found['state']}"),
                total=found["total"],
                completed=found["done"] + found["failed"],
                said=counted(found),
            )

        yield _with_stalls(output, show)


class _Lines:
    def __init__(self, output: Output) -> None:
        self._output = output
        self._state, self._said = "", 0.0

    def __call__(self, found: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if found["state"] != self._state or now - self._said >= EVERY:
            self._state, self._said = found["state"], now
            self._output.note(f"job {found['id']}: {found['state']}, {counted(found)}")


def _with_stalls(output: Output, show: Show) -> Show:
    """Tells of each reason once, as long as it lasts."""
    told: str | None = None

    def both(found: Mapping[str, Any]) -> None:
        nonlocal told
        if found["stalled"] and found["stalled"] != told:
            output.note(found["stalled"])
        told = found["stalled"]
        show(found)

    return both

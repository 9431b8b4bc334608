"""Batches: calls of one model that wait at the same time run together.

A batcher owns the thread that runs its model. The thread takes what waits, up to `max_batch`
rows of one shape, and never waits for more while there is something to do, unless the owner set a
`max_delay`. Calls belong to the event loop: the thread only ever posts results back to it. A model
that answers sooner than its thread could be asked runs on the event loop, the calls of one turn
together.
"""

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from aihub import stages
from inference.runtimes.base import Arrays, LoadedModel, TooSlow, Unfit
from registry.serving import Serving

logger = logging.getLogger(__name__)

_LOWEST = 19  # priority, as `nice` counts
ENDS_WITHIN = 5.0  # seconds for a run to come back once it was given up
Shapes = tuple[tuple[int, ...], ...]
OnRun = Callable[[list[float], float, int], None]  # waits and run in seconds; rows of the run
Tell = Callable[..., None]  # has a function called on the event loop, with these arguments


class DeadlinePassed(Exception):
    """The caller's deadline passed before the model answered."""


class RunnerDied(Exception):
    """The thread that runs the model ended; a new one starts with the next call."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`max_batch` rows of a run, `max_delay` seconds to wait for them, `queue` calls under way."""

    max_batch: int = 16
    max_delay: float = 0.0
    queue: int = 256

    def narrowed(self, serving: Serving) -> "BatchLimits":
        """With what the model's owner says in place of the operator's numbers."""
        delay = serving.max_delay_ms
        return BatchLimits(
            serving.max_batch or self.max_batch,
            self.max_delay if delay is None else delay / 1000,
            serving.queue or self.queue,
        )


class Job:
    """One call: its inputs, how many rows they are, and the future of its outputs.

    `deadline` and `since` are times of `time.monotonic`. Cancelling the future drops a call that
    still waits.
    """

    __slots__ = ("deadline", "future", "inputs", "key", "rows", "since", "stages")

    def __init__(
        self,
        inputs: Arrays,
        rows: int,
        future: "asyncio.Future[Arrays]",
        deadline: float | None,
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.future = future
        self.deadline = deadline
        self.since = time.monotonic()
        self.stages = stages.of_call.get()
        self.key: Shapes = tuple([array.shape[1:] for array in inputs.values()])

    def is_wanted(self) -> bool:
        """Whether somebody still waits; safe from any thread."""
        return not self.future.done() and (
            self.deadline is None or time.monotonic() < self.deadline
        )


class Batcher:
    """Runs one loaded model for many callers. `on_death` is told when its thread ended early,
    `on_run` of each run that brought outputs, on the event loop.
    """

    def __init__(
        self,
        model: LoadedModel,
        limits: BatchLimits,
        *,
        by_rows: bool,
        name: str = "model",
        on_death: Callable[[], None] = lambda: None,
        on_run: OnRun = lambda waits, seconds, rows: None,
    ) -> None:
        self.limits = limits
        self.alive = True
        self._model = model
        self._by_rows = by_rows
        self._loop = asyncio.get_running_loop()
        self._on_death = on_death
        self._on_run = on_run
        self._here: list[Job] = []  # of this turn of the event loop
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._kept: deque[Job] = deque()  # taken from the queue, but of another shape
        self._unfinished: set[Job] = set()
        self._running: Sequence[Job] = ()
        self._run_started: float | None = None
        self._eager = True
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, inputs: Arrays, deadline: float | None = None) -> "asyncio.Future[Arrays]":
        """The outputs to come, by name; Unfit, TooSlow, DeadlinePassed or RunnerDied."""
        rows = len(next(iter(inputs.values()))) if self._by_rows else 1
        job = Job(inputs, rows, self._loop.create_future(), deadline)
        self._enqueue(job)
        return job.future

    def submit_here(self, inputs: Arrays, rows: int) -> "asyncio.Future[Arrays]":
        """As `submit`, but for a run on the event loop at the end of this turn; only if `idle`."""
        job = Job(inputs, rows, self._loop.create_future(), None)
        if not self._here:
            self._loop.call_soon(self._run_here)
        self._here.append(job)
        return job.future

    @property
    def thread_id(self) -> int | None:
        """The system's number of the model's thread."""
        return self._thread.native_id

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, so that the model's thread leaves the model alone."""
        return not self._unfinished and self.alive

    @property
    def waiting(self) -> int:
        """Calls that no run took yet."""
        return self._waiting.qsize() + len(self._kept)

    def running_for(self) -> float:
        """Seconds since the run under way began; 0 where there is none."""
        started = self._run_started
        return time.monotonic() - started if started is not None else 0.0

    def step_back(self) -> None:
        """Let the thread have a core only when nobody else wants it, from now on."""
        if self._eager and self.thread_id is not None:
            self._eager = False
            with suppress(OSError):  # not every system knows priorities of threads
                os.setpriority(os.PRIO_PROCESS, self.thread_id, _LOWEST)

    def give_up(self) -> None:
        """Stop a run that takes too long: its callers get TooSlow, those who wait RunnerDied.

        The model is not used again.
        """
        self._model.interrupt()
        for job in self._running:
            self._fail(job, TooSlow())
        self._end(RunnerDied())

    def close(self) -> bool:
        """Let the thread end once all that was submitted is done. Blocks.

        False where the thread does not come back from a run that was given up.
        """
        self._waiting.put(None)
        self._thread.join(None if self.alive else ENDS_WITHIN)
        return not self._thread.is_alive()

    # --- in the model's thread ---

    def _work(self) -> None:
        try:
            while (jobs := self._take()) is not None:
                if jobs:
                    self._run(jobs, self._post)
        except BaseException:
            logger.exception("the thread of %s ended", self._thread.name)
            self._post(self._end, RunnerDied())

    def _take(self) -> list[Job] | None:
        """The next calls to run together, of one shape; None when it is time to end."""
        first = self._kept.popleft() if self._kept else self._waiting.get()
        if first is None:
            return None
        if not first.is_wanted():
            self._post(self._drop, [first])
            return []
        jobs = [first]
        if self._by_rows:
            rows = self._take_alike(jobs, first.rows, self._kept_jobs())
            self._take_alike(jobs, rows, self._arriving(rows))
        return jobs

    def _take_alike(self, jobs: list[Job], rows: int, source: "Sequence[Job]") -> int:
        """Add those of `source` that fit to `jobs`, keep the others; the rows then."""
        for job in source:
            if not job.is_wanted():
                self._post(self._drop, [job])
            elif job.key == jobs[0].key and rows + job.rows <= self.limits.max_batch:
                jobs.append(job)
                rows += job.rows
            else:
                self._kept.append(job)
        return rows

    def _kept_jobs(self) -> list[Job]:
        kept = list(self._kept)
        self._kept.clear()
        return kept

    def _arriving(self, rows: int) -> list[Job]:
        """What has come by now, and what comes while there is time to wait for it."""
        found: list[Job] = []
        until = time.monotonic() + self.limits.max_delay if self.limits.max_delay else 0.0
        while rows < self.limits.max_batch:
            try:
                job = self._next(until)
            except Empty:
                break
            if job is None:
                self._waiting.put(None)  # the order to end is found again after this batch
                break
            found.append(job)
            rows += job.rows
        return found

    def _next(self, until: float) -> Job | None:
        patience = until - time.monotonic() if until else 0.0
        return self._waiting.get(timeout=patience) if patience > 0 else self._waiting.get_nowait()

    def _run(self, jobs: list[Job], tell: Tell) -> None:
        started = time.monotonic()
        self._running, self._run_started = jobs, started
        try:
            outcome = self._outputs(jobs)
        except Exception as error:
            if len(jobs) == 1:
                if not isinstance(error, Unfit):
                    logger.exception("%s failed", self._thread.name)
                tell(self._fail, jobs[0], error)
            else:  # whose fault it is shows when each runs alone
                for job in jobs:
                    if job.is_wanted():
                        self._run([job], tell)
            return
        finally:
            self._run_started = None
        tell(self._deliver, jobs, outcome, started, time.monotonic() - started)

    def _outputs(self, jobs: list[Job]) -> list[Arrays]:
        """Each call's outputs, from one run where they go by rows."""
        if len(jobs) == 1:
            return [self._alone(jobs[0])]
        inputs = {
            name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs
        }
        outputs = self._model.predict(inputs)
        rows = sum(job.rows for job in jobs)
        if any(array.shape[:1] != (rows,) for array in outputs.values()):
            self._by_rows = False
            return [self._alone(job) for job in jobs]
        return _split(outputs, [job.rows for job in jobs])

    def _alone(self, job: Job) -> Arrays:
        most = self.limits.max_batch
        if not self._by_rows or job.rows <= most:
            return self._model.predict(job.inputs)
        parts = [
            self._model.predict({n: array[start : start + most] for n, array in job.inputs.items()})
            for start in range(0, job.rows, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop is closed: nobody waits
            logger.debug("%s answers nobody", self._thread.name)

    # --- in the event loop ---

    def _enqueue(self, job: Job) -> None:
        if not self.alive:
            job.future.set_exception(RunnerDied())
            return
        self._unfinished.add(job)
        self._waiting.put(job)

    def _run_here(self) -> None:
        """Run this turn's calls, or give them to the model's thread if it got one meanwhile."""
        jobs, self._here = [job for job in self._here if job.is_wanted()], []
        if not self.idle:
            for job in jobs:
                self._enqueue(job)
            return
        try:
            for alike in _grouped(jobs, self.limits.max_batch):
                self._run(alike, _now)
        except BaseException:
            logger.exception("a run of %s broke off", self._thread.name)
            for job in jobs:
                self._fail(job, RunnerDied())
            self._end(RunnerDied())

    def _deliver(
        self, jobs: list[Job], outcome: list[Arrays], started: float, seconds: float
    ) -> None:
        self._on_run([started - job.since for job in jobs], seconds, sum(j.rows for j in jobs))
        for job, outputs in zip(jobs, outcome, strict=True):
            self._unfinished.discard(job)
            if job.stages is not None:
                job.stages.ran(job.since, started, seconds)
            if not job.future.done():
                job.future.set_result(outputs)

    def _fail(self, job: Job, error: Exception) -> None:
        self._unfinished.discard(job)
        if not job.future.done():
            job.future.set_exception(error)

    def _drop(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._fail(job, DeadlinePassed())

    def _end(self, error: Exception) -> None:
        """Fail everybody, once."""
        if not self.alive:
            return
        self.alive = False
        self._waiting.put(None)
        for job in list(self._unfinished):
            self._fail(job, error)
        self._on_death()


def _now(callback: Callable[..., None], *arguments: object) -> None:
    callback(*arguments)


def _grouped(jobs: Iterable[Job], most: int) -> list[list[Job]]:
    """Calls of one shape together, up to `most` rows; one with more is alone."""
    groups: list[list[Job]] = []
    filling: dict[Shapes, tuple[list[Job] | None, int]] = {}
    for job in jobs:
        group, rows = filling.get(job.key, (None, 0))
        if group is None or rows + job.rows > most:
            group, rows = [], 0
            groups.append(group)
        group.append(job)
        filling[job.key] = group, rows + job.rows
    return groups


def _split(outputs: Arrays, lengths: Sequence[int]) -> list[Arrays]:
    """Rows of a batch back to those whose they are."""
    parts: list[Arrays] = []
    start = 0
    for length in lengths:
        parts.append({name: array[start : start + length] for name, array in outputs.items()})
        start += length
    return parts

"""Compiling a version's variants in a child process that may crash or hang."""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from inference.optimising.candidates import Candidate, reference_of
from inference.optimising.task import CandidateResult, CompileTask
from registry.refusals import N_

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "inference.optimising.child")
# Threads that wait for each other sleep: spinning, torch runs at a tenth of its rate as soon as
# something else needs a core, and something else comes first here.
_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
_ASK_EVERY = 1.0  # seconds
_LOG_TAIL = 2000  # characters


def compile_variants(
    task: CompileTask,
    command: Sequence[str] = _COMMAND,
    interrupted: Callable[[], bool] = lambda: False,
) -> Generator[CandidateResult, None, None]:
    """A line of the table for the reference, then for each candidate as it is finished.

    Those in `task.done` are left out. A candidate that kills its process or takes longer than the
    limit gets a failed line, and another process goes on with the rest; without the reference
    there is no rest. Closing the generator stops the process, and so does `interrupted`, which is
    asked every second: then lines are missing at the end. Refused where nothing serves the format.
    """
    progress = _Progress(reference_of(task.spec), set(task.done))
    while not progress.finished and not interrupted():
        with _child(replace(task, done=frozenset(progress.done)), command) as child:
            yield from _results(child, progress, task.limit, interrupted)


class _Progress:
    """What has a result, what is under way, and what is still to come."""

    def __init__(self, reference: Candidate, done: set[str]) -> None:
        self.done = done
        self.finished = False
        self._reference = reference
        self._under_way = reference
        self._plan: dict[str, Candidate] = {}

    def read(self, line: dict[str, Any]) -> CandidateResult | None:
        """Take note of a line; its result, if it is a new one."""
        if "plan" in line:
            self._plan = {value["name"]: Candidate(**value) for value in line["plan"]}
        if "begin" in line:
            self._under_way = self._plan[line["begin"]]
        if "result" not in line:
            return None
        result = CandidateResult.from_json(line["result"])
        return self._taken(result)

    def failed(self, message: str, **values: Any) -> Iterator[CandidateResult]:
        """The line of the one under way; without the reference, the lines of all that are left."""
        lost = [self._under_way]
        if self._under_way.reference:
            lost.extend(self._plan.values())
            self.finished = True
        results = (self._taken(candidate.failed(message, **values)) for candidate in lost)
        yield from (result for result in results if result)
        self._under_way = self._reference  # which the next process begins with

    def _taken(self, result: CandidateResult) -> CandidateResult | None:
        if result.name in self.done:
            return None
        self.done.add(result.name)
        return result


class _Child:
    """A running child and the lines that it writes."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process, self._log = process, log
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def line(self, until: float) -> dict[str, Any] | None:
        """The next line, None at the end; queue.Empty at the time `until`."""
        text = self._lines.get(timeout=max(until - time.monotonic(), 0))
        return None if text is None else json.loads(text)

    def end(self) -> int:
        """The exit code of a child that has closed its output."""
        return self._process.wait()

    def log_tail(self) -> str:
        """The last that it wrote to standard error."""
        self._log.seek(0)
        return self._log.read()[-_LOG_TAIL:]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self._lines.put(line)
        self._lines.put(None)


def _results(
    child: _Child, progress: _Progress, limit: float, interrupted: Callable[[], bool]
) -> Iterator[CandidateResult]:
    """The lines of one process, to its end, the limit, or an interruption."""
    until = time.monotonic() + limit
    while True:
        try:
            line = child.line(min(until, time.monotonic() + _ASK_EVERY))
        except queue.Empty:
            if interrupted():
                return
            if time.monotonic() >= until:
                message = N_("Compiling took longer than %(limit)s seconds.")
                yield from progress.failed(message, limit=round(limit))
                return
            continue
        if line is None:
            break
        if "log" in line:
            _relay(line["log"])
            continue
        if (result := progress.read(line)) is not None:
            yield result
            if interrupted():
                return
        until = time.monotonic() + limit
    code = child.end()
    if code == 0:
        progress.finished = True
        return
    said = {"process.exit_code": code, "aihub.output": child.log_tail()}
    logger.warning("The compiler died: %s.", _how(code), extra={"ecs": said})
    yield from progress.failed(N_("The compiler died: %(how)s."), how=_how(code))


def _relay(said: dict[str, Any]) -> None:
    """Log what the child has to say as ours: whom it works for, this process knows."""
    stack = {"error.stack_trace": said["stack"]} if said["stack"] else {}
    told = logging.getLogger(said["logger"])
    told.log(said["level"], "%s", said["message"], extra={"ecs": stack})


@contextmanager
def _child(task: CompileTask, command: Sequence[str]) -> Iterator[_Child]:
    """A process that works on the task; killed on the way out if it still runs."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | _PATIENT,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        child = _Child(process, log)
        try:
            assert process.stdin is not None
            with process.stdin as stdin:
                stdin.write(json.dumps(task.as_json()))
            yield child
        finally:
            process.kill()
            process.wait()


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else str(code)

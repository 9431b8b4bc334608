"""`python -m inference.optimising.child`: reads a task, writes lines about its candidates.

A process of its own, because compilers crash, hang and leak, and at low priority, because what is
served goes first. Each line is a JSON object: `{"result": …}`, `{"plan": [candidates]}` after the
reference's result, and `{"begin": name}` before each further candidate. What it has to say for the
log goes the same way, as `{"log": {level, logger, message, stack}}`: the worker knows whom it works
for.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

from aihub.processes import die_with_parent
from inference.optimising.candidates import reference_of
from inference.optimising.task import CompileTask
from inference.optimising.trial import Bench, failure

_NICE = 15
_STACK = 1400  # characters: the innermost calls come last


def main() -> None:
    """Do what standard input asks for."""
    die_with_parent(signal.SIGKILL)
    os.nice(_NICE)
    task = CompileTask.from_json(json.load(sys.stdin))
    with _answers() as out:
        logging.getLogger().addHandler(_Telling(out))
        for line in lines(task):
            _write(out, line)


def _write(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


class _Telling(logging.Handler):
    """Hands records to the worker."""

    def __init__(self, out: IO[str]) -> None:
        super().__init__(logging.WARNING)
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        stack = "".join(traceback.format_exception(record.exc_info[1])) if record.exc_info else ""
        said = {"level": record.levelno, "logger": record.name, "message": record.getMessage()}
        _write(self._out, {"log": {**said, "stack": stack[-_STACK:]}})


def lines(task: CompileTask) -> Iterator[dict[str, Any]]:
    """The lines for a task, as each becomes true."""
    try:
        result, bench = Bench.opened(task)
    except Exception as error:  # then there is nothing to compare with
        yield {"result": failure(reference_of(task.spec), error).as_json()}
        return
    plan = bench.plan()
    yield {"result": result.as_json()}
    yield {"plan": [asdict(candidate) for candidate in plan]}
    for candidate in plan:
        if candidate.name not in task.done:
            yield {"begin": candidate.name}
            yield {"result": bench.tried(candidate).as_json()}


@contextlib.contextmanager
def _answers() -> Iterator[IO[str]]:
    """Standard output for our lines alone: what libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        yield out


if __name__ == "__main__":
    main()

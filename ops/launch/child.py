"""One child process: its own session, its own log, tied to the life of this process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aihub.env import BASE_DIR
from ops.launch import counting

LOG_LIMIT = 10 * 1024 * 1024
TAIL_LIMIT = 32 * 1024
SHOWN = 15  # lines of a log, at its end


@dataclass(frozen=True, slots=True)
class Role:
    """What a child runs: a command line, its whole environment and its log file."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path


def tethered(command: tuple[str, ...]) -> list[str]:
    """The command line, to be started in `BASE_DIR`, that ends with this process."""
    return [sys.executable, "-m", "ops.launch.tether", str(os.getpid()), *command]


class Child:
    """A running role. Its process leads a group of its own, which holds whatever it starts."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.started_at = time.monotonic()
        counting.begin(role.environ)
        role.log.parent.mkdir(parents=True, exist_ok=True)
        with role.log.open("ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                tethered(role.command),
                env=dict(role.environ),
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started_at

    def ended(self) -> int | None:
        """Its exit code once it has ended (negative: the signal); then nothing of it is left."""
        if self.process.returncode is None and self.process.poll() is not None:
            self.kill()  # what it started and left behind
        return self.process.returncode

    def ask_to_stop(self) -> None:
        """Ask its main process alone: a worker's parent stops its children itself."""
        if self.ended() is None:
            self.process.terminate()

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def kill_and_wait(self) -> None:
        if self.ended() is None:
            self.kill()
            self.process.wait()

    def last_lines(self) -> list[str]:
        """The end of what it has logged since it was started, as a person reads it."""
        logged = tail(self.role.log, since=self.log_start)
        return [line for text in logged for line in readable(text)][-SHOWN:]


def rotate(log: Path, limit: int = LOG_LIMIT) -> None:
    """Move a log that has grown large aside; one old log is kept."""
    if log.is_file() and log.stat().st_size > limit:
        log.replace(log.with_name(f"{log.name}.1"))


def readable(text: str) -> list[str]:
    """A line of the log without what machines want of it: level, message, the trace of an error."""
    try:
        said = json.loads(text)
        stack = said.get("error", {}).get("stack_trace", "")
        return [f"{said['log']['level']}: {said['message']}", *stack.splitlines()]
    except (ValueError, LookupError, AttributeError, TypeError):
        return [text]  # somebody else's


def tail(log: Path, *, since: int = 0, lines: int = SHOWN) -> list[str]:
    """The last lines of a log, after so many bytes of it."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(since, log.stat().st_size - TAIL_LIMIT))
        return file.read().decode(errors="replace").splitlines()[-lines:]

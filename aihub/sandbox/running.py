"""Start a confined program, watch what it takes, and tell how it ended."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aihub.sandbox import bubblewrap, places
from aihub.sandbox.choice import BUBBLEWRAP
from aihub.sandbox.watching import folder_use, tasks_of

LOOK_EVERY = 0.05  # seconds between two looks at what it takes
_OUTPUT_TAIL = 4000  # bytes that are kept of what it prints
_MIB = 1024 * 1024
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
TIME, MEMORY, PROCESSES, DISK, OUTPUT = "time", "memory", "processes", "disk", "output"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; bytes of memory (address space), of all files, and of what is printed; counts."""

    seconds: int = 600
    memory: int = 8 * 1024 * _MIB
    disk: int = 1024 * _MIB
    files: int = 1000
    output: int = 32 * _MIB
    threads: int = 256

    def as_rlimits(self) -> dict[str, int]:
        """As the kernel keeps them for the program itself; the watcher sees to their sums."""
        return {
            "RLIMIT_AS": self.memory,
            "RLIMIT_FSIZE": self.disk,
            "RLIMIT_CPU": self.seconds * (os.cpu_count() or 1) + 1,
            "RLIMIT_NOFILE": 512,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 64 * 1024,
            "RLIMIT_MSGQUEUE": 0,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """A Python program (one file) with its arguments, and what it may read and write.

    `folder` is the only place that it can write to; `readable` are files and folders beside the
    interpreter and its libraries.
    """

    program: Path
    folder: Path
    arguments: Sequence[str] = ()
    readable: Sequence[Path] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: its exit code (negative: the signal), the limit that it was stopped
    at, if any, and the end of what it printed."""

    code: int
    exceeded: str = ""
    output: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.exceeded

    @property
    def how(self) -> str:
        """The exit code, or the name of the signal."""
        number = -self.code if self.code < 0 else self.code - 128  # bubblewrap adds 128
        names = {int(member): member.name for member in signal.Signals}
        return names.get(number, str(self.code))


def run(work: Work, mechanism: str) -> Outcome:
    """Run it to its end, or to the first limit that it reaches; then nothing of it is left.

    It dies with the calling thread's process. Blocks.
    """
    process = subprocess.Popen(
        command(work, mechanism),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**_ENVIRONMENT, "HOME": str(work.folder), "TMPDIR": str(work.folder)},
        cwd=work.folder,
        start_new_session=True,
    )
    try:
        exceeded, output = _Watch(process, work).to_the_end()
    finally:
        _stop(process)
    return Outcome(process.returncode, exceeded, output.decode(errors="replace"))


def command(work: Work, mechanism: str) -> list[str]:
    """The command line that confines the program, then runs it."""
    readable = [*places.libraries(), work.program, *work.readable]
    wrapped = mechanism == BUBBLEWRAP
    python = [sys.executable, "-I", str(places.INSIDE), json.dumps(config(work, readable, wrapped))]
    if not wrapped:
        return python
    bwrap = bubblewrap.program() or "bwrap"
    return [*bubblewrap.prefix(bwrap, readable, work.folder), *python]


def config(work: Work, readable: Sequence[Path], wrapped: bool) -> dict[str, Any]:
    """What `inside` reads."""
    return {
        "program": str(work.program),
        "arguments": list(work.arguments),
        "folder": str(work.folder),
        "limits": work.limits.as_rlimits(),
        "landlock": not wrapped,
        "parent": 0 if wrapped else os.getpid(),
        "readable": [
            *map(str, readable),
            *(place for place in (*places.PROCESSORS, *places.DEVICES) if Path(place).exists()),
        ],
        "writable": [str(work.folder), "/dev/null"],
    }


class _Watch:
    """A running program, looked at every few hundredths of a second."""

    def __init__(self, process: subprocess.Popen[bytes], work: Work) -> None:
        assert process.stdout is not None
        self._process, self._pipe, self._work = process, process.stdout, work
        self._until = time.monotonic() + work.limits.seconds
        self._printed, self._tail = 0, b""
        os.set_blocking(self._pipe.fileno(), False)

    def to_the_end(self) -> tuple[str, bytes]:
        """The limit that was exceeded, empty where it ended by itself, and the last it printed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            exceeded = ""
            looked = 0.0
            while not exceeded and not self._ended(selector):
                if time.monotonic() - looked >= LOOK_EVERY:
                    looked = time.monotonic()
                    exceeded = self._exceeded()
        return exceeded or self._exceeded_at_the_end(), self._tail

    def _ended(self, selector: selectors.BaseSelector) -> bool:
        """Whether it is over; takes what was printed meanwhile."""
        if not selector.get_map():  # it closed its output, and may go on for a while
            time.sleep(LOOK_EVERY / 5)
            return self._process.poll() is not None
        selector.select(LOOK_EVERY)
        chunk = self._pipe.read(64 * 1024)
        if chunk == b"":
            selector.unregister(self._pipe)
            return False
        self._printed += len(chunk or b"")
        self._tail = (self._tail + (chunk or b""))[-_OUTPUT_TAIL:]
        return not chunk and self._process.poll() is not None

    def _exceeded(self) -> str:
        limits = self._work.limits
        if time.monotonic() > self._until:
            return TIME
        if self._printed > limits.output:
            return OUTPUT
        if tasks_of(self._process.pid, limits.threads) > limits.threads:
            return PROCESSES
        return self._exceeded_at_the_end()

    def _exceeded_at_the_end(self) -> str:
        limits = self._work.limits
        size, files = folder_use(self._work.folder, limits.files)
        return DISK if size > limits.disk or files > limits.files else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of it ends now."""
    if process.poll() is None:
        process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()

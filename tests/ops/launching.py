"""Starting the launcher as a person does, reading what it says, and counting what it leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from aihub.env import BASE_DIR


class Program:
    """A started program whose lines are read as they come."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str]) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=BASE_DIR,
            env=dict(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, text: str) -> str:
        """Read lines up to the first that holds `text`; that line."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if text in line:
                return line.rstrip("\n")
        pytest.fail(f"it never said {text!r}:\n{self.text}")

    def read_to_end(self, timeout: float = 60) -> int:
        """Everything it says until it ends; its exit code."""
        out, _ = self.process.communicate(timeout=timeout)
        self.said += out.splitlines()
        return self.process.returncode

    def interrupt(self) -> int:
        """Ctrl-C, and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return self.read_to_end()

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def close(self) -> None:
        """Leave nothing, whatever the test did."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process of the hub in `home`, found by its environment."""
    return [process for process in psutil.process_iter() if _home_of(process) == str(home)]


def wait_until(holds: Callable[[], object], what: str, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout:g} s for {what}"
        time.sleep(0.05)


def plain_environ(home: Path, **more: str) -> dict[str, str]:
    """This machine's environment with a hub's folder, and without the tests' own hub."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AIHUB_", "DATABASE_"))}
    return kept | {"AIHUB_HOME": str(home), "PYTHONUNBUFFERED": "1"} | more


def _home_of(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get("AIHUB_HOME")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None

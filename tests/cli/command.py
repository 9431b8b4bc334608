"""The command `aihub` as a person or a script runs it: a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aihub.env import BASE_DIR, Env

WITHIN = 60.0  # seconds


@dataclass
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def failure(self) -> Any:
        """What `--json` wrote of the failure: one object, in one line, on standard error."""
        assert self.out == ""
        return json.loads(self.err)


@dataclass
class Command:
    """`aihub` for one person: with their configuration and state, in a folder of their own."""

    url: str
    folder: Path
    config: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *args: Any, given: str | None = None, **environ: str) -> Done:
        with self.begin(*args, **environ) as process:
            out, err = process.communicate(given, timeout=WITHIN)
        return Done(process.returncode, out, err)

    def good(self, *args: Any, given: str | None = None, **environ: str) -> Done:
        """A command that must succeed."""
        done = self(*args, given=given, **environ)
        assert done.code == 0, (args, done)
        return done

    def refused(self, code: int, *args: Any, given: str | None = None, **environ: str) -> Done:
        """A command that must end with this code and say why in one line, without a traceback."""
        done = self(*args, given=given, **environ)
        assert done.code == code, (args, done)
        last = done.err.splitlines()[-1]
        assert last.startswith(("aihub: ", "{")), done.err
        assert "Traceback" not in done.err
        return done

    def begin(self, *args: Any, **environ: str) -> subprocess.Popen[str]:
        self.folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "aihub.cli", *map(str, args)],
            cwd=self.folder,
            env=self._environ() | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environ(self) -> dict[str, str]:
        hidden = set(Env.__dataclass_fields__) | {"AIHUB_URL", "AIHUB_API_KEY"}
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        own = {
            "XDG_CONFIG_HOME": str(self.config),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PYTHONPATH": str(BASE_DIR),
            "LC_ALL": "C.UTF-8",
        }
        return kept | own | self.environ


def read_until(process: subprocess.Popen[str], word: str) -> None:
    """Until a running command has said a word on standard error."""
    assert process.stderr
    while line := process.stderr.readline():
        if word in line:
            return
    pytest.fail(f"it ended and never said “{word}”")


def wait_until(holds: Callable[[], bool], what: str, timeout: float = WITHIN) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s for {what}")
        time.sleep(0.02)


def killed(process: subprocess.Popen[str]) -> None:
    """kill -9, as when the power goes."""
    process.kill()
    process.communicate()


def interrupted(process: subprocess.Popen[str]) -> Done:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WITHIN)
    return Done(process.returncode, out, err)

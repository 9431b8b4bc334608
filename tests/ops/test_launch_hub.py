"""`make run`'s program itself: the whole hub, started, used, hurt and stopped as people do."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.launch.client import HubClient
from tests.hub import hub_environ
from tests.ops.launching import Program, processes_of, wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# What the launcher says once all roles answer, and at the end of the demonstration.
READY, RUNNING = "All roles answer", "The hub is running"


class Launched:
    """A launcher's place: its environment, and the programs started in it."""

    program: Program

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ
        self.home = Path(environ["AIHUB_HOME"])
        self.url = f"http://127.0.0.1:{environ['AIHUB_PORT']}"
        self._programs: list[Program] = []

    def start(self, **variables: str) -> Program:
        program = Program(["-m", "ops.launch"], self.environ | variables)
        self._programs.append(program)
        return program

    def processes(self, word: str) -> list[psutil.Process]:
        """A role's processes, by a word of its command line; its main process first."""
        found = [p for p in processes_of(self.home) if word in p.cmdline()]
        return sorted(found, key=lambda process: process.create_time())

    def close(self) -> None:
        for program in self._programs:
            program.close()
        for process in processes_of(self.home):
            process.kill()


@pytest.fixture(scope="module")
def environ(stack: Stack) -> dict[str, str]:
    """One home and port, in which the tests of this module start hubs one after the other."""
    environ = hub_environ(stack, "launched", PYTHONUNBUFFERED="1")
    del environ["AIHUB_ADMIN_PASSWORD"]
    return environ


@pytest.fixture
def place(environ: dict[str, str]) -> Iterator[Launched]:
    """For a hub of the test's own; whatever is left of it is ended."""
    launched = Launched(environ)
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def running(environ: dict[str, str]) -> Iterator[Launched]:
    """The hub after its second start, for several tests, which leave it running."""
    launched = Launched(environ)
    launched.program = launched.start()
    launched.program.read_until(RUNNING)
    yield launched
    launched.close()


def test_a_first_start_publishes_and_answers(place: Launched) -> None:
    program = place.start()
    program.read_until(RUNNING)
    password_file = place.home / "admin-password"
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert program.text.count(password_file.read_text().strip()) == 1
    assert "imagenet 1.0.0 is ready (checksum" in program.text
    assert "imagenet 1.1.0 is ready (checksum" in program.text
    assert "imagenet 1.0.0 is in production" in program.text
    assert _score_of("espresso", program) > 80
    assert program.interrupt() == 0
    assert processes_of(place.home) == []


def test_a_second_start_publishes_nothing_and_answers(running: Launched) -> None:
    password = (running.home / "admin-password").read_text().strip()
    assert password not in running.program.text
    assert "publishing" not in running.program.text
    assert _score_of("espresso", running.program) > 80


def test_the_printed_call_works_when_pasted(running: Launched) -> None:
    said = running.program.said
    first = next(n for n, line in enumerate(said) if "TOKEN=" in line)
    last = next(n for n, line in enumerate(said) if "image=@" in line)
    assert '"espresso"' in _bash("\n".join(said[first : last + 1]))


def test_a_second_hub_on_the_same_home_is_refused(running: Launched) -> None:
    other = running.start(AIHUB_PORT="1")
    assert other.read_to_end() == 1
    assert "A hub already runs in" in other.said[-1]


@pytest.mark.parametrize(
    ("name", "word"),
    [("server", "aihub.uvicorn_server"), ("worker", "worker@%h"), ("batch worker", "batch@%h")],
)
def test_a_killed_role_is_started_again(running: Launched, name: str, word: str) -> None:
    killed = running.processes(word)
    assert len(killed) > 1 or name == "server"  # a worker has children, and the schedules' keeper
    killed[0].send_signal(signal.SIGKILL)
    assert "SIGKILL" in running.program.read_until(f"The {name} ended")
    wait_until(lambda: running.processes(word) and _is_ready(running), "the hub to be ready")
    assert not set(running.processes(word)) & set(killed)


def test_ctrl_c_leaves_no_process(running: Launched) -> None:
    assert running.program.interrupt() == 0
    assert running.program.said[-1].endswith("Stopped.")
    assert processes_of(running.home) == []


def test_kill_9_of_the_launcher_leaves_no_process(place: Launched) -> None:
    program = place.start()
    program.read_until(READY)
    os.kill(program.process.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(place.home), "every process to end")


def test_a_password_of_the_environment_replaces_the_generated_one(place: Launched) -> None:
    program = place.start(AIHUB_ADMIN_PASSWORD="another long password")
    program.read_until(READY)
    assert "another long password" not in program.text
    assert not (place.home / "admin-password").exists()
    with HubClient(place.url, "admin", "another long password") as client:
        assert client.alias("imagenet", "production")


def test_without_the_password_it_serves_and_shows_nothing(place: Launched) -> None:
    program = place.start()
    program.read_until(RUNNING)
    assert "no demonstration without it" in program.text
    assert _is_ready(place)


def _score_of(label: str, program: Program) -> float:
    """What the printed top 3 gives a label, in per cent."""
    line = next(line for line in program.said if line.split()[:1] == [label])
    return float(line.split()[-1].removesuffix("%"))


def _is_ready(place: Launched) -> bool:
    with HubClient(place.url, "", "") as client:
        return client.is_ready()


def _bash(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout

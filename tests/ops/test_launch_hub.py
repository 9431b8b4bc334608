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
RUNNING = "The hub is running"


class Launched:
    """A launcher's place: its environment, and the programs started in it."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ
        self.home = Path(environ["AIHUB_HOME"])
        self.url = f"http://127.0.0.1:{environ['AIHUB_PORT']}"
        self._programs: list[Program] = []

    def start(self, **variables: str) -> Program:
        program = Program(["-m", "ops.launch"], self.environ | variables)
        self._programs.append(program)
        return program

    def process(self, word: str) -> psutil.Process:
        """The main process of a role, by a word of its command line."""
        found = [p for p in processes_of(self.home) if word in p.cmdline()]
        return min(found, key=lambda process: process.create_time())

    def close(self) -> None:
        for program in self._programs:
            program.close()
        for process in processes_of(self.home):
            process.kill()


@pytest.fixture(scope="module")
def place(stack: Stack) -> Iterator[Launched]:
    """A home that the tests of this module start hubs in, one after the other."""
    environ = hub_environ(stack, "launched", PYTHONUNBUFFERED="1")
    del environ["AIHUB_ADMIN_PASSWORD"]
    launched = Launched(environ)
    yield launched
    launched.close()


def test_from_nothing_to_a_real_answer_and_again(place: Launched) -> None:
    first = place.start()
    first.read_until(RUNNING)
    password_file = place.home / "admin-password"
    password = password_file.read_text().strip()
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert first.text.count(password) == 1
    assert "imagenet 1.0.0 is ready (checksum" in first.text
    assert "imagenet 1.1.0 is ready (checksum" in first.text
    assert "imagenet 1.0.0 is in production" in first.text
    espresso = next(line for line in first.said if "espresso" in line)
    assert float(espresso.split()[-1].rstrip("%")) > 80
    assert first.interrupt() == 0
    assert processes_of(place.home) == []

    second = place.start()
    second.read_until(RUNNING)
    assert password not in second.text
    assert "publishing" not in second.text
    assert any("espresso" in line for line in second.said)
    with HubClient(place.url, "admin", password) as client:
        assert client.version("imagenet", "1.0.0")
    assert second.interrupt() == 0


def test_the_printed_call_works_when_pasted(place: Launched) -> None:
    program = place.start()
    program.read_until(RUNNING)
    first = next(n for n, line in enumerate(program.said) if "TOKEN=" in line)
    last = next(n for n, line in enumerate(program.said) if "image=@" in line)
    answer = _bash("\n".join(program.said[first : last + 1]))
    assert '"espresso"' in answer
    assert program.interrupt() == 0


def test_a_second_hub_on_the_same_home_is_refused(place: Launched) -> None:
    program = place.start()
    program.read_until(RUNNING)
    other = place.start(AIHUB_PORT="1")
    assert other.read_to_end() == 1
    assert "A hub already runs in" in other.said[-1]
    assert program.interrupt() == 0


@pytest.mark.parametrize(("name", "word"), [("server", "uvicorn"), ("worker", "celery")])
def test_a_killed_role_is_started_again(place: Launched, name: str, word: str) -> None:
    program = place.start()
    program.read_until(RUNNING)
    before = place.process(word)
    before.send_signal(signal.SIGKILL)
    assert "SIGKILL" in program.read_until(f"The {name} ended")
    wait_until(lambda: _is_ready(place), "the hub to be ready again")
    assert place.process(word).pid != before.pid
    assert program.interrupt() == 0
    assert processes_of(place.home) == []


def test_kill_9_of_the_launcher_leaves_no_process(place: Launched) -> None:
    program = place.start()
    program.read_until(RUNNING)
    os.kill(program.process.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(place.home), "every process to end")


def test_a_password_of_the_environment_is_set_and_replaces_the_generated_one(
    place: Launched,
) -> None:
    program = place.start(AIHUB_ADMIN_PASSWORD="another long password")
    program.read_until(RUNNING)
    assert "another long password" not in program.text
    assert not (place.home / "admin-password").exists()
    with HubClient(place.url, "admin", "another long password") as client:
        assert client.alias("imagenet", "production")
    assert program.interrupt() == 0


def test_without_the_password_it_serves_and_says_why_it_shows_nothing(place: Launched) -> None:
    program = place.start()
    program.read_until(RUNNING)
    assert "no demonstration without it" in program.text
    assert _is_ready(place)
    assert program.interrupt() == 0


def _is_ready(place: Launched) -> bool:
    with HubClient(place.url, "", "") as client:
        return client.is_ready()


def _bash(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout

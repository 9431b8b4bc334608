"""The image's entry point: one argument says which role it is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aihub.env import BASE_DIR
from ops.launch.container import command
from tests.hub import hub_environ
from tests.ops.launching import Program, plain_environ, processes_of, wait_until
from tests.stack import Stack

SCHEDULE = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
second = IntervalSchedule.objects.create(every=1, period="seconds")
PeriodicTask.objects.create(name="look", task="registry.run_jobs", interval=second)
"""
RUNS = """
from django_celery_beat.models import PeriodicTask
print(PeriodicTask.objects.get(name="look").total_run_count)
"""


@pytest.fixture(scope="module")
def environ(stack: Stack) -> Iterator[dict[str, str]]:
    """A migrated hub of its own, in which no process runs."""
    made = hub_environ(stack, "container")
    Program(["-m", "ops.launch.container", "migrate", "--no-input"], made).read_to_end()
    yield made
    for process in processes_of(Path(made["AIHUB_HOME"])):
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("role", "console_answers"), [("web", 302), ("infer", 404)])
def test_a_role_serves_its_own(environ: dict[str, str], role: str, console_answers: int) -> None:
    program = Program(["-m", "ops.launch.container", role], environ)
    url = f"http://127.0.0.1:{environ['AIHUB_PORT']}"
    try:
        wait_until(lambda: _status(f"{url}/livez") == 200, f"{role} to live")
        wait_until(lambda: _status(f"{url}/readyz") == 200, f"{role} to be ready")
        assert _status(f"{url}/") == console_answers
        assert _health_check(environ) == 0
        program.process.terminate()
        program.read_to_end()
    finally:
        program.close()
    assert _health_check(environ) != 0


@pytest.mark.slow
def test_beat_starts_what_is_scheduled_and_keeps_no_file(environ: dict[str, str]) -> None:
    before = set(BASE_DIR.iterdir())
    _django(environ, SCHEDULE)
    program = Program(["-m", "ops.launch.container", "beat"], environ)
    try:
        wait_until(lambda: int(_django(environ, RUNS)) > 1, "it to have run twice")
    finally:
        program.close()
    assert {p for p in set(BASE_DIR.iterdir()) - before if "beat" in p.name} == set()


def test_without_an_argument_it_is_the_whole_hub() -> None:
    assert command([], {})[1:] == ("-m", "ops.launch")


@pytest.mark.parametrize(
    ("role", "variable", "queue"),
    [
        ("worker", "AIHUB_WORKER_PROCESSES", "celery"),
        ("batch", "AIHUB_BATCH_PROCESSES", "batch"),
    ],
)
def test_a_worker_serves_its_queue_with_as_many_processes_as_it_is_told(
    role: str, variable: str, queue: str
) -> None:
    words = command([role], {variable: "3"})
    assert words[words.index("--concurrency") + 1] == "3"
    assert words[words.index("-Q") + 1] == queue
    assert "--beat" not in words


def test_any_other_word_is_a_command_of_manage_py() -> None:
    assert command(["createsuperuser"], {})[1:] == (str(BASE_DIR / "manage.py"), "createsuperuser")


def test_a_wrong_environment_gets_one_sentence(tmp_path: Path) -> None:
    environ = plain_environ(tmp_path, AIHUB_WORKER_PROCESSES="many")
    program = Program(["-m", "ops.launch.container", "worker"], environ)
    assert program.read_to_end() == 1
    assert program.said[0].startswith("AIHub cannot start. AIHUB_WORKER_PROCESSES=many does not")
    assert len(program.said) == 1


def _status(url: str) -> int | None:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return None


def _django(environ: dict[str, str], script: str) -> str:
    """What a script prints that is run with the hub's settings."""
    program = Program(["-c", f"import django\ndjango.setup()\n{script}"], environ)
    assert program.read_to_end() == 0, program.text
    return program.said[-1] if program.said else ""


def _health_check(environ: dict[str, str]) -> int:
    """The exit code of the image's HEALTHCHECK."""
    script = BASE_DIR / "ops" / "launch" / "healthcheck.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    done = subprocess.run(
        ["sh", script], env=environ | {"PATH": path}, capture_output=True, check=False
    )
    return done.returncode

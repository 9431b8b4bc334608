"""The image's entry point: one argument says which role it is."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import django
import httpx
import pytest

from aihub.env import BASE_DIR
from ops.launch.container import command, prepare
from tests.hub import hub_environ
from tests.ops.launching import Program, plain_environ, processes_of, wait_until
from tests.otlp import collecting
from tests.ports import free_port
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
@pytest.mark.parametrize(
    ("role", "console_answers", "needs"),
    [("web", 302, {"database"}), ("infer", 404, {"snapshot", "grpc"})],
)
def test_a_role_serves_its_own(
    environ: dict[str, str], role: str, console_answers: int, needs: set[str]
) -> None:
    program = Program(["-m", "ops.launch.container", role], environ)
    url = f"http://127.0.0.1:{environ['AIHUB_PORT']}"
    try:
        wait_until(lambda: _status(f"{url}/livez") == 200, f"{role} to live")
        wait_until(lambda: _status(f"{url}/readyz") == 200, f"{role} to be ready")
        assert httpx.get(f"{url}/readyz").json()["checks"] == dict.fromkeys(needs, True)
        assert _status(f"{url}/") == console_answers
        page = httpx.get(f"{url}/metrics").text
        assert f'aihub_build_info{{role="{role}"' in page
        assert ("inference_snapshot_age_seconds" in page) == (role == "infer")
        assert ("aihub_database_up 1.0" in page) == (role == "web")
        assert 'aihub_limit_hits_total{limit="body"} 0.0' in page
        assert _health_check(environ) == 0
        program.process.terminate()
        program.read_to_end()
    finally:
        program.close()
    assert _health_check(environ) != 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "ready", "counts"),
    [
        ("worker", {"database", "broker", "storage"}, True),
        ("batch", {"database", "broker", "storage"}, True),
        ("beat", {"loop", "database", "broker"}, False),
    ],
)
def test_a_role_that_serves_nothing_says_how_it_is(
    environ: dict[str, str], role: str, ready: set[str], counts: bool
) -> None:
    given = environ | {"AIHUB_HEALTH_PORT": str(free_port())}
    program = Program(["-m", "ops.launch.container", role], given)
    url = f"http://127.0.0.1:{given['AIHUB_HEALTH_PORT']}"
    try:
        wait_until(lambda: _status(f"{url}/readyz") == 200, f"{role} to be ready")
        assert httpx.get(f"{url}/readyz").json()["checks"] == dict.fromkeys(ready, True)
        assert httpx.get(f"{url}/livez").json()["status"] == "ok"
        page = httpx.get(f"{url}/metrics").text
        assert f'aihub_build_info{{role="{role}"' in page
        assert "process_resident_memory_bytes" in page
        assert ("aihub_jobs_finished_total{" in page) == counts
        assert ("aihub_beat_tick_timestamp_seconds" in page) != counts
        assert _health_check(given, program.process.pid) == 0
    finally:
        program.close()
    assert _status(f"{url}/livez") is None


@pytest.mark.slow
def test_a_health_port_that_is_taken_is_one_sentence(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        given = environ | {"AIHUB_HEALTH_PORT": str(port)}
        program = Program(["-m", "ops.launch.container", "worker"], given)
        assert program.read_to_end() == 1
    assert f"AIHub cannot start. It cannot listen on port {port} of 127.0.0.1" in program.text
    assert "set AIHUB_HEALTH_PORT to a free one" in program.text
    assert "Traceback" not in program.text


@pytest.mark.slow
@pytest.mark.parametrize("role", ["web", "infer"])
def test_what_a_role_traced_is_sent_before_it_ends(environ: dict[str, str], role: str) -> None:
    with collecting() as collector:
        traces = {
            "AIHUB_TRACE_ENDPOINT": collector.url,
            "AIHUB_TRACE_SAMPLE": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",  # or they would be sent before
        }
        program = Program(["-m", "ops.launch.container", role], environ | traces)
        path = "/api/v1/models/" if role == "web" else "/v2/models/none"
        url = f"http://127.0.0.1:{environ['AIHUB_PORT']}"
        try:
            wait_until(lambda: _status(f"{url}/livez") == 200, f"{role} to live")
            assert _status(url + path) == 401
            program.process.terminate()
            program.read_to_end()
        finally:
            program.close()
    assert [span.role for span in collector.spans] == [role]


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
    assert command(["createsuperuser"], {})[-2:] == (str(BASE_DIR / "manage.py"), "createsuperuser")


def test_what_a_command_prints_is_for_a_pipe(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.launch.container", "version"],
        cwd=BASE_DIR,
        env=plain_environ(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{django.get_version()}\n"


@pytest.mark.parametrize(
    ("words", "collected"),
    [
        ("prepare", True),
        ("migrate --check", True),
        ("backup create /backup --keep 7", True),
        ("backup list /backup", False),
        ("doctor --json", False),
        ("gateway_consumers", False),
    ],
)
@pytest.mark.usefixtures("capsys")  # no terminal, however the tests are run
def test_what_runs_unattended_speaks_in_lines_of_the_log(words: str, collected: bool) -> None:
    assert ("aihub.logs" in command(words.split(), {})) == collected


@pytest.mark.parametrize(
    ("role", "given", "sentence"),
    [
        ("worker", {"AIHUB_WORKER_PROCESSES": "many"}, "AIHUB_WORKER_PROCESSES=many does not fit"),
        ("batch", {"AIHUB_HEALTH_PORT": "x"}, "AIHUB_HEALTH_PORT=x does not fit"),
        (
            "infer",
            {"AIHUB_PORT": "8000", "AIHUB_GRPC_PORT": "8000"},
            "AIHUB_GRPC_PORT and AIHUB_PORT are both 8000",
        ),
        (
            "beat",
            {"AIHUB_PORT": "8000", "AIHUB_HEALTH_PORT": "8000"},
            "AIHUB_HEALTH_PORT and AIHUB_PORT are both 8000",
        ),
        (
            "web",
            {"DATABASE_URL": "sqlite:////tmp/x", "AIHUB_SECRET_KEY": "s" * 32},
            "DATABASE_URL is set: set AIHUB_BROKER_URL too",
        ),
        ("web", {"DATABASE_URL": "sqlite:////tmp/x"}, "DATABASE_URL is set: set AIHUB_SECRET_KEY"),
        ("infer", {"AIHUB_S3_ENDPOINT": "http://minio"}, "AIHUB_S3_ENDPOINT is set: set AIHUB_S3"),
        ("web", {"AIHUB_HOME": "/proc/aihub"}, "The folder /proc/aihub cannot be written to"),
        ("wokrer", {}, "There is no role “wokrer”; “worker” is one of web, infer, worker, batch"),
    ],
)
def test_what_it_cannot_start_with_is_named_in_one_sentence(
    tmp_path: Path, role: str, given: dict[str, str], sentence: str
) -> None:
    program = Program(["-m", "ops.launch.container", role], plain_environ(tmp_path) | given)
    assert program.read_to_end() == 1
    assert program.said[0].startswith(f"AIHub cannot start. {sentence}")
    assert len(program.said) == 1


def test_what_a_role_counted_before_is_gone_when_it_starts(tmp_path: Path) -> None:
    environ = plain_environ(tmp_path) | {"PROMETHEUS_MULTIPROC_DIR": "elsewhere"}
    folder = Path(environ["AIHUB_HOME"]) / "metrics" / "worker"
    folder.mkdir(parents=True)
    (folder / "counter_1.db").touch()
    prepare("worker", environ)
    assert environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
    assert list(folder.iterdir()) == []
    prepare("web", environ)
    assert "PROMETHEUS_MULTIPROC_DIR" not in environ


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


def _health_check(environ: dict[str, str], pid: int = 1) -> int:
    """The exit code of the image's HEALTHCHECK, as if the role were this process."""
    script = BASE_DIR / "ops" / "launch" / "healthcheck.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    done = subprocess.run(
        ["sh", script, f"/proc/{pid}/cmdline"],
        env=environ | {"PATH": path},
        capture_output=True,
        check=False,
    )
    return done.returncode

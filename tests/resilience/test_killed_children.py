"""A real worker of several processes: what they count together, whoever of them is killed."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families

from ops.launch.child import Child, Role
from tests.hub import hub_environ
from tests.ops.launching import Program, processes_of, wait_until
from tests.ports import free_port
from tests.stack import Stack

pytestmark = pytest.mark.slow
# Jobs that are done at once: there are no such files. Hints reach whichever process is free.
ENQUEUE = """
from registry.processing import jobs
from registry.tasks import hint
for number in range({first}, {first} + 60):
    jobs.enqueue("verify-blob", number)
for _ in range(6):
    hint()
"""
# A job without end: its file is a pipe into which nobody writes.
ENDLESS = """
import os
from django.conf import settings
from registry.models import Blob
from registry.processing import jobs
from registry.storage import blob_key
blob = Blob.objects.create(pk=7, sha256="a" * 64, md5="b" * 32, size=1)
path = settings.HOME / "blobs" / blob_key(blob.md5)
path.parent.mkdir(parents=True)
os.mkfifo(path)
jobs.enqueue("verify-blob", 7)
"""


@pytest.fixture(scope="module")
def environ(stack: Stack) -> Iterator[dict[str, str]]:
    """A hub without any process, whose worker has three."""
    more = {"AIHUB_WORKER_PROCESSES": "3", "AIHUB_HEALTH_PORT": str(free_port())}
    made = hub_environ(stack, "counting", **more)
    Program(["-m", "ops.launch.container", "migrate", "--no-input"], made).read_to_end()
    yield made
    for process in processes_of(Path(made["AIHUB_HOME"])):
        process.kill()


class Worker:
    """The role `worker`, running."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ
        self.url = f"http://127.0.0.1:{environ['AIHUB_HEALTH_PORT']}"
        command = (sys.executable, "-m", "ops.launch.container", "worker")
        log = Path(environ["AIHUB_HOME"]) / "logs" / "worker.log"
        self.child = Child(Role("worker", command, environ, log))
        wait_until(self._is_ready, "the worker to be ready")

    def django(self, script: str) -> None:
        """Run a script with the hub's settings."""
        program = Program(["-c", f"import django\ndjango.setup()\n{script}"], self.environ)
        assert program.read_to_end() == 0, program.text

    def done(self) -> float:
        """Jobs that it says it has done."""
        return self._read("aihub_jobs_finished_total", kind="verify-blob", outcome="done")

    def timed(self) -> float:
        return self._read("aihub_job_seconds_count", kind="verify-blob")

    def busy(self) -> float:
        return self._read("aihub_worker_busy", queue="celery")

    def who_is_busy(self) -> int:
        """The process of the only child that works."""
        folder = Path(self.environ["AIHUB_HOME"]) / "metrics" / "worker"
        [file] = [
            path
            for path in folder.glob("gauge_livesum_*.db")
            for _, value, *_ in MmapedDict.read_all_values_from_file(path)
            if value
        ]
        return int(file.stem.rpartition("_")[2])

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _read(self, name: str, **labels: str) -> float:
        page = httpx.get(f"{self.url}/metrics").text
        found = (s for f in text_string_to_metric_families(page) for s in f.samples)
        return sum(s.value for s in found if s.name == name and s.labels == labels)


@contextmanager
def running(environ: dict[str, str]) -> Iterator[Worker]:
    worker = Worker(environ)
    try:
        yield worker
    finally:
        worker.child.ask_to_stop()
        wait_until(lambda: worker.child.ended() is not None, "the worker to end")


def test_counts_are_exact_when_a_child_is_killed_and_begin_at_zero(
    environ: dict[str, str],
) -> None:
    with running(environ) as worker:
        assert worker.done() == 0
        worker.django(ENQUEUE.format(first=1001))
        wait_until(lambda: worker.done() == 60, "sixty jobs to be done")
        worker.django(ENDLESS)
        wait_until(lambda: worker.busy() == 1 and worker.timed() == 60, "one to be under way")
        victim = worker.who_is_busy()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(victim), "its parent to notice")
        assert (worker.done(), worker.busy()) == (60, 0)
        for pipe in Path(environ["AIHUB_HOME"]).glob("blobs/files/md5/*/*"):
            pipe.unlink()
        worker.django(ENQUEUE.format(first=2001))
        wait_until(lambda: worker.done() == 120, "sixty more")
        assert httpx.get(f"{worker.url}/livez").status_code == 200
    with running(environ) as worker:  # which takes up again what was killed
        assert max(worker.done(), worker.timed()) <= 1

"""What several processes count in files, read together."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aihub.env import BASE_DIR
from ops.launch import counting
from ops.metrics.folders import FolderCollector
from ops.metrics.page import Page
from tests.ops.test_metrics_page import numbers

# Counts so much, says so, and works on until it is killed.
WORK = """
import sys, threading
from registry.processing import counting
for _ in range(int(sys.argv[1])):
    counting.attempt_ended("process-version", "done", 0.3)
counting.attempt_ended("optimise:this", "failed", 0.3)
with counting.busy("celery"):
    print("counted", flush=True)
    sys.stdin.read()
"""
DONE = "aihub_jobs_finished_total[('kind', 'process-version'), ('outcome', 'done')]"
BUSY = "aihub_worker_busy[('queue', 'celery')]"


class Worker:
    """A process that counts, as a child of a worker does."""

    def __init__(self, folder: Path, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import django\ndjango.setup()\n{WORK}", str(count)],
            cwd=BASE_DIR,
            env=os.environ
            | {counting.VARIABLE: str(folder), "DJANGO_SETTINGS_MODULE": "aihub.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def counted(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "counted\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("metrics")
    counting.begin({counting.VARIABLE: str(found)})
    return found


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[list[Worker]]:
    started = [Worker(folder, count) for count in (100, 20, 3)]
    for worker in started:
        worker.counted()
    yield started
    for worker in started:
        worker.kill()


@pytest.mark.slow
def test_they_are_added_and_those_of_a_killed_process_stay(
    folder: Path, workers: list[Worker]
) -> None:
    page = Page(FolderCollector(folder))
    assert (numbers(page)[DONE], numbers(page)[BUSY]) == (123, 3)
    workers[0].kill()
    found = numbers(page)
    assert (found[DONE], found[BUSY]) == (123, 2)  # what it did stays done; it works no more
    assert found["aihub_jobs_finished_total[('kind', 'optimise'), ('outcome', 'failed')]"] == 3
    assert found["aihub_job_seconds_count[('kind', 'process-version')]"] == 123
    assert found["aihub_job_seconds_bucket[('kind', 'process-version'), ('le', '0.25')]"] == 0


def test_a_role_that_starts_begins_at_zero(tmp_path: Path) -> None:
    environ = {counting.VARIABLE: str(tmp_path / "metrics" / "worker")}
    counting.begin(environ)
    left = tmp_path / "metrics" / "worker" / "counter_1.db"
    left.write_bytes(b"")
    counting.begin(environ)
    assert not left.exists()
    assert numbers(Page(FolderCollector(left.parent))) == {}


def test_a_file_that_is_just_being_made_says_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").touch()
    assert numbers(Page(FolderCollector(tmp_path))) == {}


def test_a_folder_that_is_not_there_yet_says_nothing(tmp_path: Path) -> None:
    assert numbers(Page(FolderCollector(tmp_path / "worker", tmp_path / "batch"))) == {}

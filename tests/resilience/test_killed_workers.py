"""`kill -9` of a worker, at any moment: nothing is lost, nothing is done twice."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from inference.converting.conversion import PROGRAM as CONVERTER
from ops.launch.child import Child
from tests.contract.calls import API, assert_clean, predict, publish, unique
from tests.contract.making import SMALL, photograph, state_dict_file
from tests.hub import Hub
from tests.inference.converting import programs

pytestmark = pytest.mark.slow
END_LEASES = """
import django
django.setup()
from django.utils import timezone
from registry.models import Job
Job.objects.filter(state="running").update(lease_expires_at=timezone.now())
"""


@pytest.fixture
def hub(hub: Hub) -> Iterator[Hub]:
    """The hub, with its workers again afterwards."""
    yield hub
    hub.restart_worker()
    if hub.batch_worker is None or hub.batch_worker.ended() is not None:
        hub.restart_batch_worker()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return state_dict_file(tmp_path_factory.mktemp("killed") / "resnet.pth")


def wait_for(hub: Hub, name: str, step: str) -> None:
    """Until a step runs, or has run."""
    client = hub.client()
    path = f"{API}/models/{name}/versions/1.0.0/"

    def begun() -> bool:
        entries = client.get(path).json()["steps"]
        return any(e["name"] == step and e["state"] != "pending" for e in entries)

    hub.wait_until(begun, f"the step {step}")


def assert_done_once(hub: Hub, name: str) -> None:
    """Ready, every step done, one event of each kind, and it serves."""
    version = hub.wait_ready(name, "1.0.0")
    assert [step["state"] for step in version["steps"]] == ["done"] * 6
    assert all(step["duration_ms"] is not None for step in version["steps"])
    query = {"subject": f"{name}/1.0.0", "page_size": 200}
    events = hub.client().get(f"{API}/audit/", params=query).json()["results"]
    assert sorted(e["action"] for e in events) == ["version.created", "version.ready"]
    assert predict(hub.client(), name, photograph("coffee.png")).status_code == 200
    assert_clean(hub)


def publish_one(hub: Hub, weights: Path) -> str:
    name = unique("killed")
    assert publish(hub.client(), name, "1.0.0", weights, **SMALL).status_code == 202
    return name


def children(hub: Hub) -> list[Any]:
    """The processes that do the worker's jobs."""
    assert hub.worker
    return psutil.Process(hub.worker.process.pid).children(recursive=True)


def test_a_version_gets_ready_though_its_worker_is_killed_twice(hub: Hub, weights: Path) -> None:
    hub.kill_worker()
    name = publish_one(hub, weights)
    for step in ("checksum", "load"):
        hub.restart_worker()
        wait_for(hub, name, step)
        hub.kill_worker()
        hub.run_python(END_LEASES)  # as if ten seconds had passed
    hub.restart_worker()
    assert_done_once(hub, name)


def test_a_killed_child_is_replaced_and_its_lease_ends_by_itself(hub: Hub, weights: Path) -> None:
    hub.kill_worker()
    name = publish_one(hub, weights)
    hub.restart_worker()
    wait_for(hub, name, "sample")
    parent = hub.worker
    for child in children(hub):
        os.kill(child.pid, signal.SIGKILL)
    assert_done_once(hub, name)
    assert parent
    assert parent.ended() is None


def test_a_version_says_so_while_no_worker_is_there(hub: Hub, weights: Path) -> None:
    hub.kill_worker()
    path = f"{API}/models/{publish_one(hub, weights)}/versions/1.0.0/"
    client = hub.client()
    hub.wait_until(lambda: client.get(path).json()["stalled"], "it to be stalled", timeout=15)
    said = client.get(path, headers={"Accept-Language": "zh-hans"}).json()["stalled"]
    assert "ops.launch.container worker" in said
    hub.restart_worker()
    hub.wait_until(lambda: client.get(path).json()["stalled"] is None, "it to go on")


@pytest.mark.parametrize(("name", "count"), [("worker", 1), ("batch_worker", 2)])
def test_a_killed_workers_children_end_with_it(hub: Hub, name: str, count: int) -> None:
    """Also the process of the batch worker that keeps the schedules."""
    worker: Child = getattr(hub, name)
    parent = psutil.Process(worker.process.pid)
    hub.wait_until(lambda: len(parent.children()) == count, "the worker's children")
    orphans = parent.children()
    parent.kill()
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert not alive


def test_a_program_whose_conversion_is_killed_is_converted_by_another_worker(
    hub: Hub, tmp_path: Path
) -> None:
    program, name = programs.scripted_resnet(tmp_path), unique("killed")
    hub.kill_worker()
    said = {"preprocessing": json.dumps(programs.PREPROCESSING)}
    answer = publish(hub.client(), name, "1.0.0", program.path, task=program.task, **said)
    assert answer.status_code == 202, answer.text
    hub.restart_worker()
    confined: list[psutil.Process] = []
    hub.wait_until(lambda: bool(confined.extend(converting(hub)) or confined), "its conversion")
    for process in children(hub):
        if process not in confined:
            os.kill(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(confined, timeout=10)
    assert not alive
    hub.kill_worker()
    hub.run_python(END_LEASES)
    hub.restart_worker()
    version = hub.wait_ready(name, "1.0.0")
    assert version["served_format"] == "openvino"


def converting(hub: Hub) -> list[psutil.Process]:
    """The processes of a sandbox that convert a program."""
    found = []
    for process in children(hub):
        with suppress(psutil.NoSuchProcess):
            if str(CONVERTER) in " ".join(process.cmdline()):
                found.append(process)
    return found

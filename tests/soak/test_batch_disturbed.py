"""A batch job whose workers, broker, database and storage fail: the output is the same, byte for
byte, as without."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.contract.batching import JOBS, json_lines, output, rows, started, succeeded
from tests.contract.calls import published
from tests.contract.making import tiny_onnx
from tests.hub import Hub, hub_environ
from tests.services import Services, running_services
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROWS, ROWS_OF_A_CHUNK = 1200, 4
KILLS, CHUNKS_BETWEEN, MOMENT = 20, 5, 0.3  # seconds at most, after a chunk
AWAY = 10.0  # seconds that a service is away


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Servers of this module's own: no other test wants to see them die."""
    with running_services(tmp_path_factory.mktemp("disturbed")) as running:
        yield running


@pytest.fixture(scope="module")
def own_hub(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    stack = Stack("services", tmp_path_factory.mktemp("disturbed-hub"), services)
    hub = Hub(hub_environ(stack, "disturbed"))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


def test_twenty_kills_and_every_service_away_change_no_byte(
    own_hub: Hub, services: Services, tmp_path: Path
) -> None:
    client = own_hub.client()
    published(own_hub, "tiny", "1.0.0", tiny_onnx(tmp_path / "tiny.onnx"), task="tensor")
    content = json_lines([[n, 0, 0, 1] if n % 50 else "no row" for n in range(ROWS)])
    said = {"batch_size": "2", "chunk_rows": str(ROWS_OF_A_CHUNK), "output_format": "jsonl"}
    quiet = started(client, "tiny", "rows.jsonl", content, **said)["id"]
    succeeded(own_hub, quiet, 240)
    chaotic = started(client, "tiny", "rows.jsonl", content, **said)["id"]
    disturb(own_hub, services, chaotic)
    over = succeeded(own_hub, chaotic, 240)
    assert over["total"] == ROWS
    assert (over["done"], over["failed"]) == (ROWS - ROWS // 50, ROWS // 50)
    assert [row["key"] for row in rows(client, chaotic)] == list(range(1, ROWS + 1))
    assert output(client, chaotic) == output(client, quiet)


def disturb(hub: Hub, services: Services, job: int) -> None:
    """Kill the worker twenty times at random moments, in between each of the services once."""
    chance, away, done = random.Random(0), {5: "redis", 10: "mysql", 15: "s3"}, 0
    for number in range(KILLS):
        done = wait_for_chunks(hub, job, done + chance.randint(1, CHUNKS_BETWEEN))
        pause(chance.uniform(0, MOMENT))
        kill(hub, whole=number % 4 == 3)
        if number in away:
            leave(services, away[number])


def kill(hub: Hub, *, whole: bool) -> None:
    """kill -9 of the worker's children, which its parent replaces, or of all of it."""
    assert hub.batch_worker
    if whole:
        hub.restart_batch_worker()
        return
    for child in psutil.Process(hub.batch_worker.process.pid).children(recursive=True):
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)


def wait_for_chunks(hub: Hub, job: int, wanted: int) -> int:
    """Until so many are done, which is more than before and not all; how many there are.

    What the hub answers while it has no database is passed over.
    """
    client, told = hub.client(), {"chunks_done": 0}

    def done() -> bool:
        answer = client.get(f"{JOBS}{job}/")
        if answer.status_code == 200:
            told.update(answer.json())
        return told["chunks_done"] >= wanted

    hub.wait_until(done, f"{wanted} chunks", 120)
    assert told["state"] == "running", "the job was over too soon"
    return told["chunks_done"]


def leave(services: Services, name: str) -> None:
    services.kill(name)
    pause(AWAY)
    services.servers[name].start()


def pause(seconds: float) -> None:
    """Let real time pass: what is tested is what happens meanwhile."""
    time.sleep(seconds)

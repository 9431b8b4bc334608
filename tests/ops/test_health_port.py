"""The port at which workers and beat are asked how they are."""

import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from ops import beat, working
from ops.health_port import HealthPort
from registry.processing.worker import Housekeeper


class Checks:
    """What a test decides."""

    lives = ready = True


@pytest.fixture
def checks() -> Checks:
    return Checks()


@pytest.fixture
def port(checks: Checks) -> Iterator[HealthPort]:
    opened = HealthPort(
        "127.0.0.1",
        0,
        lives={"work": lambda: checks.lives},
        ready={"database": lambda: checks.ready, "broken": lambda: bool(1 / int(checks.ready))},
        metrics=lambda: b"jobs_total 7.0\n",
    )
    opened.start()
    yield opened
    opened.stop()


@pytest.fixture
def client(port: HealthPort) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port.port}") as opened:
        yield opened


def test_it_says_whether_it_lives_and_is_ready(client: httpx.Client, checks: Checks) -> None:
    assert client.get("/livez").json() == {"status": "ok", "checks": {"work": True}}
    assert client.get("/readyz").status_code == 200
    checks.lives = checks.ready = False
    assert client.get("/livez").status_code == 503
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": False, "broken": False},
    }


def test_it_answers_prometheus(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.text == "jobs_total 7.0\n"
    assert answer.headers["content-type"].startswith("text/plain; version=")


def test_a_page_that_fails_is_told_as_such() -> None:
    port = HealthPort("127.0.0.1", 0, lives={}, ready={}, metrics=lambda: bytes(1 // 0))
    port.start()
    try:
        answer = httpx.get(f"http://127.0.0.1:{port.port}/metrics")
    finally:
        port.stop()
    assert (answer.status_code, answer.json()) == (500, {"status": "failed"})


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/livez", 501)])
def test_whatever_else_is_asked_is_refused_in_json(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"]


def test_a_client_that_says_nothing_holds_up_nobody(port: HealthPort, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", port.port)):
        assert client.get("/livez").status_code == 200


class TestWorkerHealth:
    def keeper(self) -> Housekeeper:
        return Housekeeper(lambda queue: None, lambda: None, [])

    def test_a_worker_that_waits_for_its_broker_lives(self) -> None:
        assert working.WorkerHealth().lives()

    def test_it_lives_while_its_housekeeper_looks(self) -> None:
        health, keeper = working.WorkerHealth(), self.keeper()
        health.housekeeper = keeper
        keeper.start()
        assert health.lives()
        keeper.looked_at = time.monotonic() - working.LIVES_WITHIN - 1
        assert not health.lives()
        keeper.stop()
        assert health.lives()  # it is being stopped
        keeper.join()

    def test_a_housekeeper_that_ended_is_no_sign_of_life(self) -> None:
        health = working.WorkerHealth()
        health.housekeeper = self.keeper()  # never started
        assert not health.lives()


def test_beat_ticks_while_it_looked_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beat.Scheduler, "ticked_at", time.monotonic())
    assert beat.ticks()
    monkeypatch.setattr(beat.Scheduler, "ticked_at", time.monotonic() - beat.TICKS_WITHIN - 1)
    assert not beat.ticks()

"""Liveness and readiness of a running hub."""

from collections.abc import Iterator

import pytest

from tests.hub import Hub


@pytest.fixture
def hub(hub: Hub) -> Iterator[Hub]:
    """The hub, ready again afterwards."""
    yield hub
    if hub.worker is None or hub.worker.ended() is not None:
        hub.restart_worker()
    if hub.batch_worker is None or hub.batch_worker.ended() is not None:
        hub.restart_batch_worker()
    client = hub.anonymous()
    hub.wait_until(lambda: client.get("/readyz").status_code == 200, "the hub to be ready")


def test_it_lives_and_is_ready(hub: Hub) -> None:
    client = hub.anonymous()
    assert client.get("/livez").json()["status"] == "ok"
    body = client.get("/readyz").json()
    assert body["status"] == "ok"
    assert all(body["checks"].values())
    assert {"database", "worker", "batch_worker"} <= body["checks"].keys()


@pytest.mark.slow
@pytest.mark.parametrize(("queue", "check"), [("celery", "worker"), ("batch", "batch_worker")])
def test_it_is_not_ready_without_a_worker_of_each_queue_but_lives(
    hub: Hub, queue: str, check: str
) -> None:
    client = hub.anonymous()
    if queue == "batch":
        hub.kill_batch_worker()
    else:
        hub.kill_worker()
    hub.age_heartbeats(queue)
    assert client.get("/readyz").status_code == 503
    checks = client.get("/readyz").json()["checks"]
    assert [name for name, holds in checks.items() if not holds] == [check]
    assert client.get("/livez").status_code == 200

"""Real connections: servers that stop, clients that leave, callers that are too many."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.contract.calls import API, predict_json, published, unique
from tests.hub import Hub
from tests.inference import samples
from tests.resilience.replicas import replica

pytestmark = pytest.mark.slow
SLOW_ROUNDS = 1_000_000  # about a second
INPUTS = [1.0]


@pytest.fixture(scope="module")
def slow(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose every run takes a while, with a queue for two calls."""
    model = unique("slow")
    file = samples.endless_onnx(tmp_path_factory.mktemp("slow") / "slow.onnx", SLOW_ROUNDS)
    published(hub, model, "1.0.0", file, task="tensor")
    settings = {"serving": {"queue": 2, "max_batch": 1}}
    answer = hub.client().patch(f"{API}/models/{model}/", json=settings)
    assert answer.status_code == 200, answer.text
    return model


@pytest.fixture
def busy(hub: Hub, slow: str) -> Iterator[threading.Thread]:
    """A call of the slow model that is under way."""
    assert predict_json(hub.client(), slow, INPUTS).status_code == 200  # it is loaded
    thread = threading.Thread(target=predict_json, args=(hub.client(), slow, INPUTS))
    thread.start()
    hub.wait_until(lambda: _in_flight(hub, slow) == 1, "the call to be under way", 10)
    yield thread
    thread.join()


def _metric(url: str, name: str, model: str) -> float:
    """A figure of a loaded model, as Prometheus reads it; 0 where it is not loaded."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    of_model = (line for line in lines if line.startswith(f'{name}{{model_name="{model}"'))
    return sum(float(line.rpartition(" ")[2]) for line in of_model)


def _in_flight(hub: Hub, model: str) -> float:
    return _metric(hub.url, "inference_in_flight", model)


def _runs(hub: Hub, model: str) -> float:
    return _metric(hub.url, "inference_batch_size_count", model)


def _raw(hub: Hub, model: str, body: bytes, length: int | None = None) -> socket.socket:
    """A connection that sent a prediction, or only the beginning of one."""
    head = (
        f"POST {API}/models/{model}/predict/ HTTP/1.1\r\nHost: hub\r\n"
        f"Authorization: {hub.client().headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length or len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", hub.env.AIHUB_PORT), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def test_sigterm_loses_no_accepted_request(hub: Hub, slow: str) -> None:
    client, statuses = hub.client(), []
    headers = {"Authorization": client.headers["Authorization"]}
    with replica(hub, "draining") as server:
        url = f"{server.url}{API}/models/{slow}/predict/"

        def call() -> None:
            answer = httpx.post(url, json={"inputs": INPUTS}, headers=headers, timeout=60)
            statuses.append(answer.status_code)

        call()
        accepted = [threading.Thread(target=call) for _ in range(2)]
        for thread in accepted:
            thread.start()
        hub.wait_until(
            lambda: _metric(server.url, "inference_in_flight", slow) == 2, "two calls under way"
        )
        server.child.ask_to_stop()
        for thread in accepted:
            thread.join()
        hub.wait_until(lambda: server.child.ended() is not None, "the replica to end", 30)
    assert statuses == [200, 200, 200]


def test_a_client_who_left_is_not_computed_for(hub: Hub, slow: str, busy: threading.Thread) -> None:
    runs = _runs(hub, slow)
    leaving = _raw(hub, slow, b'{"inputs": [1.0]}')
    hub.wait_until(lambda: _in_flight(hub, slow) == 2, "the second call to wait", 10)
    leaving.close()
    hub.wait_until(lambda: _in_flight(hub, slow) < 2, "the hub to notice", 10)
    busy.join()
    assert predict_json(hub.client(), slow, INPUTS).status_code == 200
    assert _runs(hub, slow) == runs + 2  # the one under way, and the last


def test_too_many_callers_are_refused_before_their_bodies_are_read(
    hub: Hub, slow: str, busy: threading.Thread
) -> None:
    second = _raw(hub, slow, b'{"inputs": [1.0]}')
    hub.wait_until(lambda: _in_flight(hub, slow) == 2, "a full queue", 10)
    third = _raw(hub, slow, b'{"inp', length=1_000_000)
    answer = third.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 503 ")
    assert "retry-after: 1" in answer.lower()
    assert second.recv(4096).decode().startswith("HTTP/1.1 200 ")
    for connection in (second, third):
        connection.close()


def test_a_deadline_is_answered_in_time(hub: Hub, slow: str, busy: threading.Thread) -> None:
    started = time.monotonic()
    answer = hub.client().post(
        f"{API}/models/{slow}/predict/",
        json={"inputs": INPUTS},
        headers={"X-Request-Timeout-Ms": "50"},
    )
    assert answer.status_code == 504
    assert busy.is_alive()
    assert time.monotonic() - started < 30

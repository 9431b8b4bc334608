"""Roles that are told to stop as Kubernetes does it: what they accepted is ended in time."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ops.launch.child import Child, Role
from ops.launch.roles import web_command
from tests.contract.batching import act, json_lines, shown, started, wait_over
from tests.contract.calls import API, published, unique
from tests.contract.making import tiny_onnx
from tests.hub import STARTS_WITHIN, Hub
from tests.inference import samples
from tests.k8s.manifests import objects_of
from tests.ports import free_port

pytestmark = pytest.mark.slow
ROUNDS = 300_000  # some tenths of a second
ROWS = 100
HELD = """
import django
django.setup()
from inference.models import BatchChunk
chunks = BatchChunk.objects.filter(job={job})
print(chunks.exclude(lease_owner="").count(), chunks.filter(attempts__gt=0).count())
"""


def grace(role: str) -> float:
    """Seconds until Kubernetes kills what it told to stop."""
    spec = objects_of("overlays/production").one("Deployment", role)["spec"]["template"]["spec"]
    return float(spec["terminationGracePeriodSeconds"])


@pytest.fixture
def hub(hub: Hub) -> Iterator[Hub]:
    """The hub, with its batch worker again afterwards."""
    yield hub
    if hub.batch_worker is None or hub.batch_worker.ended() is not None:
        hub.restart_batch_worker()


def test_a_batch_worker_ends_its_chunk_and_leaves_the_rest_to_others(
    hub: Hub, tmp_path: Path
) -> None:
    client, model = hub.client(), unique("slow")
    published(hub, model, "1.0.0", samples.endless_onnx(tmp_path / "m.onnx", ROUNDS), task="tensor")
    rows, said = json_lines([[1.0]] * ROWS), {"batch_size": "1", "chunk_rows": "1"}
    job = started(client, model, "rows.jsonl", rows, **said)["id"]
    hub.wait_until(lambda: shown(client, job)["done"] > 0, "the first rows")
    worker = hub.batch_worker
    assert worker
    worker.ask_to_stop()
    hub.wait_until(lambda: worker.ended() is not None, "the worker to end", grace("batch"))
    assert 0 < shown(client, job)["done"] < ROWS
    assert hub.run_python(HELD.format(job=job)).split() == ["0", "0"]  # nobody waits for a lease
    act(client, job, "cancel")
    assert wait_over(hub, job)["state"] == "cancelled"


@pytest.fixture
def web(hub: Hub) -> Iterator[tuple[Child, int]]:
    """A replica of the role `web` on the hub's database and storage, and its port."""
    port = free_port()
    environ = {**hub.environ, "AIHUB_ROLE": "web", "AIHUB_PORT": str(port)}
    log = hub.env.AIHUB_HOME / "logs" / "stopping.log"
    command = web_command(replace(hub.env, AIHUB_PORT=port))
    child = Child(Role("web", command, environ, log))
    try:
        hub.wait_until(lambda: answers(port), "web to listen", STARTS_WITHIN)
        yield child, port
    finally:
        child.kill_and_wait()


def test_web_takes_what_is_being_uploaded_to_its_end(
    hub: Hub, web: tuple[Child, int], tmp_path: Path
) -> None:
    child, port = web
    name, file = unique("upload"), tiny_onnx(tmp_path / "tiny.onnx").read_bytes()
    head, body = publication(hub, name, file)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head + body[: len(body) // 2])
        # Who connects later is answered: so this connection has been accepted.
        assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        child.ask_to_stop()
        hub.wait_until(lambda: not answers(port), "web to take no more calls", 10)
        connection.sendall(body[len(body) // 2 :])
        assert connection.recv(4096).startswith(b"HTTP/1.1 202 ")
    hub.wait_until(lambda: child.ended() is not None, "web to end", grace("web"))
    assert hub.wait_ready(name, "1.0.0")["version"] == "1.0.0"


def publication(hub: Hub, name: str, file: bytes) -> tuple[bytes, bytes]:
    """The head and the body of a request that publishes a file."""
    boundary = "a-boundary"
    fields = {"version": "1.0.0", "task": "tensor"}
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ).encode()
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="m.onnx"\r\n\r\n'
    ).encode()
    body += file + f"\r\n--{boundary}--\r\n".encode()
    head = (
        f"POST {API}/models/{name}/versions/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {hub.client().headers['Authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False

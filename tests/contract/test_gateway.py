"""The hub behind a real nginx by its own template, as clients see it.

What is behind is another server on the hub's tables, one that trusts one proxy.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from tests.cast import PASSWORD
from tests.contract.calls import (
    API,
    form_head,
    predict_json,
    problem_of,
    publish,
    tables,
    unique,
)
from tests.contract.making import tiny_onnx
from tests.hub import Hub
from tests.inference.oip import tensor
from tests.nginx import Gateway, gateway
from tests.ports import free_ports
from tests.resilience.replicas import replica

MIB = 1024 * 1024
FAILURES = 3
ELSEWHERE = "127.0.0.2"  # where the client calls from: not nginx' own address


@dataclass(frozen=True)
class Edge:
    """nginx, and clients of it."""

    nginx: Gateway
    hub: Hub

    def anonymous(self) -> httpx.Client:
        transport = httpx.HTTPTransport(local_address=ELSEWHERE)
        return httpx.Client(base_url=self.nginx.url, transport=transport, timeout=60)

    def client(self, user: str) -> httpx.Client:
        client = self.anonymous()
        client.headers["Authorization"] = self.hub.client(user).headers["Authorization"]
        return client


@pytest.fixture(scope="module")
def edge(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    port, grpc_port = free_ports(2)
    own = {
        "AIHUB_ROLE": "all",
        "AIHUB_PORT": str(port),
        "AIHUB_GRPC_PORT": str(grpc_port),
        "AIHUB_TRUSTED_PROXIES": "1",
        "AIHUB_LOGIN_FAILURES": str(FAILURES),
    }
    folder = tmp_path_factory.mktemp("edge")
    with (
        replica(hub, "behind", **own),
        gateway(folder, web=port, infer=[port], grpc=[grpc_port]) as nginx,
    ):
        yield Edge(nginx, hub)


@pytest.fixture(scope="module")
def model(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that was published through nginx: it adds one."""
    name = unique("behind")
    file = tiny_onnx(tmp_path_factory.mktemp("gateway") / "tiny.onnx")
    with edge.client("developer") as client:
        answer = publish(client, name, "1.0.0", file, task="tensor", team="alpha")
        assert answer.status_code == 202, answer.text
        edge.hub.wait_ready(name, "1.0.0")
        path = f"{API}/models/{name}/versions/1.0.0/download/"
        assert client.get(path).content == file.read_bytes()
    return name


def test_every_protocol_predicts(edge: Edge, model: str) -> None:
    row = np.zeros((1, 4), np.float32)
    with edge.client("viewer") as client:
        shown = {"Authorization": client.headers["Authorization"]}
        assert predict_json(client, model, row.tolist()).json()["predictions"] == [[1, 1, 1, 1]]
        sent = {"instances": row.tolist()}
        answer = client.post(f"/v1/models/{model}:predict", json=sent)
        assert answer.json()["predictions"] == [[1, 1, 1, 1]]
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{edge.nginx.port}") as triton:
        assert triton.is_server_ready()
        given = triton.infer(model, [tensor("x", row)], headers=shown)
        assert given.as_numpy("y").tolist() == [[1, 1, 1, 1]]
    x = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
    x.set_data_from_numpy(row)
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{edge.nginx.grpc_port}") as triton:
        assert triton.is_server_ready()
        given = triton.infer(model, [x], headers={"authorization": shown["Authorization"]})
        assert given.as_numpy("y").tolist() == [[1, 1, 1, 1]]


def test_an_api_key_predicts(edge: Edge, model: str) -> None:
    sent = {"name": unique("app"), "team": "alpha", "actions": ["predict"]}
    made = edge.hub.client("owner").post(f"{API}/api-keys/", json=sent)
    with edge.anonymous() as client:
        client.headers["Authorization"] = f"Api-Key {made.json()['key']}"
        assert predict_json(client, model, [[0, 0, 0, 0]]).status_code == 200


def test_the_hub_itself_judges_credentials(edge: Edge, model: str) -> None:
    with edge.anonymous() as client:
        assert "error" in predict_json(client, model, [[0, 0, 0, 0]]).json()  # nginx' answer
        client.headers["Authorization"] = "Api-Key aihub_nobody"
        problem_of(predict_json(client, model, [[0, 0, 0, 0]]), 401)


def test_the_audit_trail_has_the_clients_own_address(edge: Edge) -> None:
    name = unique("address")
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Request-ID": "the-one-that-forges"}
    with edge.client("developer") as client:
        made = client.post(f"{API}/models/", json={"name": name, "team": "alpha"}, headers=forged)
    assert made.status_code == 201
    assert made.headers["X-Request-ID"] == "the-one-that-forges"
    events = edge.hub.client().get(f"{API}/audit/", params={"subject": name}).json()["results"]
    (event,) = [event for event in events if event["request_id"] == "the-one-that-forges"]
    assert event["address"] == ELSEWHERE


def test_failed_logins_count_for_their_own_address(edge: Edge) -> None:
    login = {"username": unique("nobody"), "password": "wrong"}
    with edge.anonymous() as client:
        statuses = [
            client.post(
                f"{API}/auth/token/", json=login, headers={"X-Forwarded-For": f"6.6.6.{number}"}
            ).status_code
            for number in range(FAILURES + 1)
        ]
    assert statuses == [401] * FAILURES + [429]


def test_an_upload_reaches_the_hub_before_all_of_it_is_sent(edge: Edge, model: str) -> None:
    """And is not kept on the way."""
    shown = edge.hub.client("developer").headers["Authorization"]
    head = (
        f"POST {API}/models/{model}/versions/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: {shown}\r\nContent-Length: {1024 * MIB}\r\n"
        "Content-Type: multipart/form-data; boundary=boundary\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", edge.nginx.port), timeout=30) as sending:
        sending.sendall(head + form_head("2.0.0"))
        for _ in range(32):
            sending.sendall(b"\x80" * MIB)
        edge.hub.wait_until(lambda: tables(edge.hub)["staged"] == 1, "the upload to arrive")
        assert list(edge.nginx.bodies.iterdir()) == []


def test_what_is_too_large_is_refused_before_it_is_sent(edge: Edge, model: str) -> None:
    head = (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Api-Key x\r\nContent-Length: {32 * MIB + 1}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", edge.nginx.port), timeout=30) as sending:
        sending.sendall(head.encode())
        assert sending.recv(1024).startswith(b"HTTP/1.1 413 ")


def test_people_sign_in_to_the_console(edge: Edge) -> None:
    with edge.anonymous() as client:
        page = client.get("/login/")
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[:1]
        form = {"username": "viewer", "password": PASSWORD, "csrfmiddlewaretoken": token}
        answer = client.post("/login/", data=form, headers={"Referer": f"{edge.nginx.url}/login/"})
        assert answer.status_code == 302
        assert client.get("/").status_code == 200
        style = re.search(r'href="(/static/[^"]+\.css[^"]*)"', page.text)
        assert style
        assert client.get(style[1]).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_what_is_the_operators_is_not_there(edge: Edge, path: str) -> None:
    with edge.anonymous() as client:
        assert client.get(path).status_code == 404


def test_a_replica_that_dies_costs_at_most_the_calls_that_it_had(
    hub: Hub, model: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    shown = {"Authorization": hub.client("viewer").headers["Authorization"]}
    body = {"inputs": [[0, 0, 0, 0]]}
    with ExitStack() as stack:
        dying = stack.enter_context(replica(hub, "dying", AIHUB_PORT=str(port)))
        both = [hub.env.AIHUB_PORT, port]
        nginx = stack.enter_context(gateway(tmp_path, web=both[0], infer=both))
        client = stack.enter_context(httpx.Client(base_url=nginx.url, headers=shown, timeout=60))
        path = f"{API}/models/{model}/predict/"
        assert {client.post(path, json=body).status_code for _ in range(10)} == {200}
        dying.child.kill_and_wait()
        assert {client.post(path, json=body).status_code for _ in range(40)} == {200}

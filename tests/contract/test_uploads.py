"""Large files over HTTP: by one process and gone on with by another, whatever is killed between."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.calls import API, problem_of, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub, hub_environ
from tests.stack import Stack

MIB = 2**20
UPLOADS = f"{API}/uploads/"
CONTENT = os.urandom(11 * MIB)  # three parts


@pytest.fixture(scope="module")
def own(stack: Stack) -> Iterator[Hub]:
    """A hub that may be killed, with small parts."""
    running = Hub(hub_environ(stack, "uploads", AIHUB_PART_SIZE=str(5 * MIB)))
    try:
        running.start()
        yield running
    finally:
        running.stop()


class Sender:
    """One process's side of an upload."""

    def __init__(self, client: httpx.Client, content: bytes = CONTENT) -> None:
        self.client, self.content = client, content

    def begin(self, **more: Any) -> dict[str, Any]:
        body = {"filename": "weights.bin", "size": len(self.content), **more}
        answer = self.client.post(UPLOADS, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def urls(self, upload: str, *numbers: int) -> dict[int, str]:
        answer = self.client.post(f"{UPLOADS}{upload}/parts/", json={"numbers": numbers})
        assert answer.status_code == 200, answer.text
        return {part["number"]: part["url"] for part in answer.json()["parts"]}

    def piece(self, number: int) -> bytes:
        return self.content[(number - 1) * 5 * MIB : number * 5 * MIB]

    def send(self, upload: str, *numbers: int) -> dict[int, str]:
        """Several at once, without credentials; their tags."""
        urls = self.urls(upload, *numbers)
        with ThreadPoolExecutor(3) as pool:
            answers = pool.map(lambda n: httpx.put(urls[n], content=self.piece(n)), numbers)
        tags = {}
        for number, answer in zip(numbers, answers, strict=True):
            assert answer.status_code == 200, answer.text
            tags[number] = answer.headers["ETag"]
        return tags

    def arrived(self, upload: str) -> dict[int, str]:
        found = self.client.get(f"{UPLOADS}{upload}/").json()
        return {part["number"]: part["etag"] for part in found["parts"]}

    def complete(self, upload: str, tags: dict[int, str]) -> httpx.Response:
        parts = [{"number": number, "etag": tag} for number, tag in tags.items()]
        return self.client.post(f"{UPLOADS}{upload}/complete/", json={"parts": parts})


@pytest.fixture
def sender(own: Hub) -> Sender:
    return Sender(own.client("developer"))


def test_another_process_goes_on_after_the_hub_was_killed(own: Hub, sender: Sender) -> None:
    upload = sender.begin()["id"]
    sender.send(upload, 1, 3)
    own.restart_server()
    other = Sender(own.client("developer"))
    tags = other.arrived(upload)
    assert set(tags) == {1, 3}
    tags |= other.send(upload, 2)
    assert other.complete(upload, tags).status_code == 200


def test_a_version_of_parts_is_served_and_known_content_is_not_sent(
    own: Hub, tmp_path: Path
) -> None:
    client, model = own.client(), unique("parts")
    file = tiny_onnx(tmp_path / "tiny.onnx")
    content = file.read_bytes()
    sender = Sender(client, content)
    for version in ("1.0.0", "2.0.0"):
        upload = sender.begin(filename=file.name, sha256=_sha256(content))
        assert upload["state"] == ("open" if version == "1.0.0" else "complete")
        if upload["state"] == "open":
            tags = sender.send(upload["id"], 1)
            assert sender.complete(upload["id"], tags).status_code == 200
        body = {"version": version, "task": "tensor", "files": [{"upload": upload["id"]}]}
        answer = client.post(f"{API}/models/{model}/versions/", json=body)
        assert answer.status_code == 202, answer.text
        assert own.wait_ready(model, version)["files"][0]["sha256"] == _sha256(content)


def test_another_sum_than_was_declared_rejects_the_version(own: Hub, tmp_path: Path) -> None:
    client, model = own.client(), unique("wrong")
    content = tiny_onnx(tmp_path / "tiny.onnx").read_bytes()
    sender = Sender(client, content)
    upload = sender.begin(filename="tiny.onnx", sha256="f" * 64)["id"]
    assert sender.complete(upload, sender.send(upload, 1)).status_code == 200
    body = {"version": "1.0.0", "task": "tensor", "files": [{"upload": upload}]}
    assert client.post(f"{API}/models/{model}/versions/", json=body).status_code == 202
    found = own.wait_processed(model, "1.0.0")
    assert found["state"] == "rejected"
    assert "f" * 64 in found["reason"]
    assert _sha256(content) in found["reason"]


def test_a_client_that_leaves_within_a_part_has_not_sent_it(own: Hub, sender: Sender) -> None:
    upload = sender.begin()["id"]
    url = sender.urls(upload, 1)[1]
    _broken_off(url, sender.piece(1), 3 * MIB)
    assert sender.arrived(upload) == {}
    tags = sender.send(upload, 1, 2, 3)
    assert sender.complete(upload, tags).status_code == 200


def test_a_part_that_came_before_goes_with_one_that_breaks_off_or_stays(
    own: Hub, sender: Sender
) -> None:
    """Never a mixture: what is told to be there is what one call sent whole."""
    upload = sender.begin()["id"]
    first = sender.send(upload, 1)[1].strip('"')
    _broken_off(sender.urls(upload, 1)[1], bytes(5 * MIB), 3 * MIB)
    assert sender.arrived(upload).get(1, first) == first


def test_many_send_the_same_part_and_complete_at_once(own: Hub, sender: Sender) -> None:
    upload = sender.begin()["id"]
    url = sender.urls(upload, 1)[1]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: httpx.put(url, content=sender.piece(1)), range(4)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert 200 in {answer.status_code for answer in answers}
    tags = sender.send(upload, 2, 3) | sender.arrived(upload)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: sender.complete(upload, tags), range(4)))
    assert {answer.status_code for answer in done} == {200}


def test_completing_and_breaking_off_at_once_ends_as_one_of_them(own: Hub, sender: Sender) -> None:
    upload = sender.begin()["id"]
    tags = sender.send(upload, 1, 2, 3)
    with ThreadPoolExecutor(2) as pool:
        done = pool.submit(sender.complete, upload, tags)
        gone = pool.submit(sender.client.delete, f"{UPLOADS}{upload}/")
    assert done.result().status_code in (200, 404, 409)
    assert gone.result().status_code in (204, 404)
    assert sender.client.get(f"{UPLOADS}{upload}/").status_code == 404


def test_a_part_without_its_length_is_refused(own: Hub, sender: Sender) -> None:
    upload = sender.begin()["id"]
    url = sender.urls(upload, 1)[1]
    if not url.startswith(own.url):
        answer = httpx.put(url, content=iter([sender.piece(1)]))
        assert 400 <= answer.status_code < 500
        return
    problem_of(httpx.put(url, content=iter([sender.piece(1)])), 411)
    problem_of(httpx.put(url, content=b"short"), 400)
    problem_of(httpx.put(url.replace("signature=", "signature=x"), content=b""), 403)


def _broken_off(url: str, body: bytes, after: int) -> None:
    """Send a part's beginning and leave."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:after])
    connection.close()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

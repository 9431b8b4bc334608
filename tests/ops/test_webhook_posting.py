"""One POST: bounded in time and bytes, whatever the receiver does."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ops.models import Delivery
from ops.notifications import posting
from ops.notifications.outcome import Outcome
from ops.notifications.posting import post
from tests.ops.receiver import Receiver, answer, receiving

Errors = Delivery.Errors
SOON = 0.5  # seconds


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def send(url: str, seconds: float = 10.0, body: str = "{}") -> Outcome:
    return post(url, {"X-Test": "1"}, body, private=True, seconds=seconds)


def test_it_sends_the_body_as_it_is(receiver: Receiver) -> None:
    receiver.answers = [answer(201, b"gerne")]
    outcome = send(f"{receiver.url}?a=1", body='{"word": "鸟"}')
    received = receiver.next()
    assert (received.path, received.body) == ("/hook?a=1", '{"word": "鸟"}')
    assert received.headers["X-Test"] == "1"
    assert (outcome.error, outcome.status, outcome.response) == ("", 201, "gerne")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers = [answer(status, Location=receiver.url)]
    outcome = send(receiver.url)
    assert (outcome.error, outcome.status) == (Errors.STATUS, status)
    assert receiver.count == 1


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answers = [answer(status)]
    assert send(receiver.url).error == ""


def test_no_answer_is_a_timeout(receiver: Receiver) -> None:
    receiver.answers = [receiver.never]
    started = time.monotonic()
    assert send(receiver.url, SOON).error == Errors.TIMEOUT
    assert time.monotonic() - started < SOON + 2


def test_headers_that_trickle_are_a_timeout(receiver: Receiver) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not receiver.released.wait(0.05):
            handler.wfile.write(b"X-More: 1\r\n")

    receiver.answers = [trickle]
    started = time.monotonic()
    assert send(receiver.url, SOON).error == Errors.TIMEOUT
    assert time.monotonic() - started < SOON + 2


def test_a_body_that_trickles_is_cut_and_the_status_counts(receiver: Receiver) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not receiver.released.wait(0.05):
            handler.wfile.write(b"drip ")

    receiver.answers = [trickle]
    started = time.monotonic()
    outcome = send(receiver.url, SOON)
    assert time.monotonic() - started < SOON + 2
    assert (outcome.error, outcome.status) == ("", 200)
    assert outcome.response.startswith("drip drip")


def test_a_huge_body_is_cut(receiver: Receiver) -> None:
    written = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while len(written) < 1000:
                handler.wfile.write(b"x" * 1024 * 1024)
                written.append(1)
        finally:
            receiver.released.set()

    receiver.answers = [flood]
    outcome = send(receiver.url)
    assert outcome.response == "x" * 1024
    assert receiver.released.wait(10)
    assert len(written) < 100


def test_what_is_kept_of_an_answer_is_text(receiver: Receiver) -> None:
    receiver.answers = [answer(500, b"\0\xff<b>")]
    assert send(receiver.url).response == "��<b>"


def test_nobody_there(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/").error == Errors.CONNECTION


def test_a_name_that_is_none() -> None:
    assert send("http://nobody.invalid/").error == Errors.NAME
    assert send(f"http://{'x' * 70}.example/").error == Errors.NAME


def test_a_name_that_takes_too_long_is_a_timeout() -> None:
    released = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        released.wait(10)
        return []

    outcome = post("http://slow.example/", {}, "{}", resolver=slow, seconds=0.1)
    released.set()
    assert outcome.error == Errors.TIMEOUT


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 99999 x\r\n\r\n"])
def test_something_else_than_http(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while not connection.recv(65536).endswith(b"{}"):
                    pass
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        outcome = send(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert outcome.error == Errors.ANSWER


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for `hook.example` that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=hook.example", "-addext", "subjectAltName=DNS:hook.example"),
        *("-keyout", str(key), "-out", str(cert)),
    )
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize(
    ("name", "trusted", "error"),
    [
        ("hook.example", True, ""),
        ("other.example", True, Errors.TLS),
        ("hook.example", False, Errors.TLS),
    ],
)
def test_a_secure_connection_verifies_the_name(
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    trusted: bool,
    error: str,
) -> None:
    cert, key = certificate
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    posting._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with receiving(tls=context) as receiver:
        port = receiver.url.split(":")[2]
        outcome = post(
            f"https://{name}:{port}", {}, "{}", private=True, resolver=lambda *a: ["127.0.0.1"]
        )
    posting._tls.cache_clear()
    assert outcome.error == error

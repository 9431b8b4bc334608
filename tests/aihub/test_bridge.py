"""Django behind the ASGI application: what slow and odd clients can do to it."""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest

from aihub import bridge
from aihub.wsgi import utf8_alone

Message = MutableMapping[str, Any]


def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-Address", environ.get("HTTP_X_FORWARDED_FOR", ""))])
    return [environ["wsgi.input"].read()]


class Client:
    """A client that sends messages one by one, and then pauses for ever."""

    def __init__(self, *messages: Message, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []
        length = sum(len(message.get("body", b"")) for message in messages)
        self.headers = [(b"content-length", str(length).encode()), *headers]

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def call(self, *, small: int = 1000) -> tuple[int, bytes]:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": self.headers,
        }
        app = bridge.django_over_asgi(echo, small=small)
        asyncio.run(app(scope, self.receive, self.send))
        body = b"".join(message.get("body", b"") for message in self.sent)
        return self.sent[0]["status"], body


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize("small", [0, 1000])
def test_a_body_arrives_whole(small: int) -> None:
    client = Client(part(b"one ", more=True), part(b"two", more=False))
    assert client.call(small=small) == (200, b"one two")


def test_a_client_that_pauses_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "IDLE", 0.05)
    assert Client(part(b"one ", more=True)).call() == (408, b"")


def test_a_client_that_leaves_is_let_go() -> None:
    client = Client(part(b"one ", more=True), {"type": "http.disconnect"})
    assert client.call() == (408, b"")


def test_a_header_with_underscores_stands_for_no_other() -> None:
    client = Client(part(b"x", more=False), headers=[(b"x_forwarded_for", b"6.6.6.6")])
    client.call()
    assert dict(client.sent[0]["headers"])[b"x-address"] == b""


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", "200"),
        ("application/json", "200"),
        ("application/json; charset=UTF-8", "200"),
        ("application/json; charset=hex", "415"),
        ("application/json; charset=undefined", "415"),
        ("application/json; charset*=bogus''%41", "415"),
    ],
)
def test_text_is_utf8_or_refused(content_type: str, status: str) -> None:
    answers: list[str] = []
    environ = {"CONTENT_TYPE": content_type}
    app = utf8_alone(lambda environ, start_response: start_response("200 OK", []) or [])
    app(environ, lambda answer, headers: answers.append(answer[:3]))
    assert answers == [status]

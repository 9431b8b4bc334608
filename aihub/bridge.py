"""Django behind the raw ASGI application: WSGI in threads, with what WSGI cannot say put right."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast
from urllib.parse import quote_from_bytes

from a2wsgi import WSGIMiddleware

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

THREADS = 32  # uploads hold a thread each for as long as they take
IDLE = 30.0  # seconds that a client may pause within a body
_URL_SAFE = bytes(range(0x21, 0x7F)).decode()


def django_over_asgi(wsgi: Any, *, small: int) -> App:
    """The WSGI application as an ASGI one.

    A body of up to `small` bytes is read before a thread is taken, so that no number of slow
    clients can take them all; Django authenticates a larger one before it reads any of it.
    """
    inner = cast(App, WSGIMiddleware(wsgi, workers=THREADS))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        patient = _breaking(receive)
        try:
            if 0 < _length(scope) <= small:
                patient = _replayed(await _whole(patient), patient)
            await inner(_tidied(scope), patient, send)
        except ConnectionResetError:
            await _time_out(send)

    return app


def _breaking(receive: Receive) -> Receive:
    """A body that ends early, or pauses too long, must not look like one that is complete."""

    async def inner() -> MutableMapping[str, Any]:
        try:
            message = await asyncio.wait_for(receive(), IDLE)
        except TimeoutError:
            raise ConnectionResetError("the client paused too long") from None
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client left")
        return message

    return inner


async def _whole(receive: Receive) -> MutableMapping[str, Any]:
    """The whole body as one message."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return {"type": "http.request", "body": b"".join(parts), "more_body": False}


def _replayed(message: MutableMapping[str, Any], receive: Receive) -> Receive:
    """The message first, then whatever comes."""
    waiting = [message]

    async def inner() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return inner


async def _time_out(send: Send) -> None:
    """For a client that may still listen; one that has left gets nothing."""
    headers = [(b"connection", b"close"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _length(scope: Scope) -> int:
    """The announced length of the body; 0 where none is, or where it is no number."""
    declared = dict(scope["headers"]).get(b"content-length", b"")
    return int(declared[:20]) if declared.isdigit() else 0


def _tidied(scope: Scope) -> Scope:
    """Without what WSGI cannot tell apart (`X_Forwarded_For` from `X-Forwarded-For`) or hold."""
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    return {**scope, "headers": headers, "query_string": _ascii(scope["query_string"])}


def _ascii(query: bytes) -> bytes:
    return query if query.isascii() else quote_from_bytes(query, safe=_URL_SAFE).encode()

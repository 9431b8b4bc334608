"""Django behind the raw ASGI application: WSGI in threads, with what WSGI cannot say put right."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast
from urllib.parse import quote_from_bytes

from a2wsgi import WSGIMiddleware

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

THREADS = 32  # slow uploads hold a thread each
_URL_SAFE = bytes(range(0x21, 0x7F)).decode()


def django_over_asgi(wsgi: Any) -> App:
    """The WSGI application as an ASGI one."""
    inner = cast(App, WSGIMiddleware(wsgi, workers=THREADS))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "query_string": _ascii(scope["query_string"])}
        try:
            await inner(scope, _breaking(receive), send)
        except ConnectionResetError:
            return  # the client left; there is nobody to answer

    return app


def _breaking(receive: Receive) -> Receive:
    """A body that ends early must not look like one that is complete."""

    async def inner() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client left")
        return message

    return inner


def _ascii(query: bytes) -> bytes:
    return query if query.isascii() else quote_from_bytes(query, safe=_URL_SAFE).encode()

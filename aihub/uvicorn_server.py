"""uvicorn as the hub runs it: `python -m aihub.uvicorn_server --host … --port …`.

What uvicorn writes piece by piece goes out together: the head of an answer with its body, and,
while several requests are under way, the answers of one turn of the event loop. Each write wakes
the client, or the proxy in front, which costs both sides more than making a small answer.
"""

import argparse
import asyncio
from collections.abc import Collection
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aihub import env, logs

GRACE = 20  # seconds that requests under way get when the server is told to stop


class _Gathering:
    """A transport that writes what was gathered when the loop comes round, or before it closes.

    An answer that nobody else waits beside goes out with its first piece of body.
    """

    __slots__ = ("_loop", "_pieces", "_requests", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        requests: Collection[object],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._requests = requests  # under way on all connections
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._pieces.append(data)
        if len(self._pieces) == 1:
            self._loop.call_soon(self._flush)
        elif len(self._requests) <= 1:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GatheringProtocol(HttpToolsProtocol):
    """uvicorn's own protocol over a gathering transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        gathering = _Gathering(transport, self.loop, self.tasks)  # type: ignore[arg-type]
        super().connection_made(gathering)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m aihub.uvicorn_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    given = parser.parse_args()
    logs.start(env.read())
    uvicorn.run(
        "aihub.asgi:application",
        host=given.host,
        port=given.port,
        loop="uvloop",
        http=GatheringProtocol,
        access_log=False,
        log_config=None,
        proxy_headers=False,  # the application reads them, as AIHUB_TRUSTED_PROXIES says
        timeout_graceful_shutdown=GRACE,
    )


if __name__ == "__main__":
    main()

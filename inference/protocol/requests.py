"""A request: its head at once, its body as it arrives and never more of it than is allowed."""

from collections.abc import AsyncIterator

from aihub.metrics import Limited
from aihub.problems import N_, Problem
from inference.engine.engine import Gone
from inference.protocol.types import Receive, Scope

JSON = "application/json"
MULTIPART = "multipart/form-data"


class Request:
    """One HTTP request with a limit, in bytes, on its body."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        #: The media type without its parameters, in lower case.
        self.content_type = self.header(b"content-type").partition(";")[0].strip().lower()
        self.peer: str = (scope.get("client") or ("",))[0]
        self.received = 0  # bytes of the body so far
        self.receive = receive
        self._limit = limit

    def header(self, name: bytes) -> str:
        """A header's value by its name in lower case; empty where there is none."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value else ""

    def check_head(self) -> None:
        """Problem 413 or 415 for what need not be read."""
        declared = self.header(b"content-length")
        if declared.isdecimal() and int(declared[:20]) > self._limit:
            raise self._too_large()
        if self.content_type not in (JSON, MULTIPART) or self.header(b"content-encoding"):
            raise Problem(
                415,
                N_("Send %(json)s or %(multipart)s, not compressed."),
                json=JSON,
                multipart=MULTIPART,
            )

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece; Problem 413 past the limit, Gone if the client left."""
        more = True
        while more:
            chunk, more = await self._next()
            if chunk:
                yield chunk

    async def body(self) -> bytes:
        """The whole body; errors as in `chunks`."""
        first, more = await self._next()
        if not more:  # as nearly always
            return first
        return b"".join([first, *[chunk async for chunk in self.chunks()]])

    async def _next(self) -> tuple[bytes, bool]:
        """The next piece, and whether more are to come."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunk: bytes = message.get("body", b"")
        self.received += len(chunk)
        if self.received > self._limit:
            raise self._too_large()
        return chunk, message.get("more_body", False)

    def _too_large(self) -> Problem:
        return Limited("body", 413, N_("The body has more than %(most)s bytes."), most=self._limit)

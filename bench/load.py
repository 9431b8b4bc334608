"""A load generator for what wrk cannot do: many bodies, and answers that are looked at.

Each connection asks, waits for the answer, and asks again: HTTP/1.1 with keep-alive, over plain
sockets, so that it takes little of the processor that the server needs.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import uvloop

from bench.wrk import Post

BROKEN = 0  # the status of a call that got no answer
_TIMEOUT = 60.0


@dataclass(slots=True)
class Answer:
    """One answer: when it was asked for (seconds since the start), and what it took."""

    status: int
    at: float
    seconds: float
    retry_after: float = 0.0
    body: bytes = b""


class Watch(Protocol):
    """What a scenario does with an answer; `post` is what was asked."""

    def __call__(self, post: Post, answer: Answer) -> None: ...


@dataclass
class Tally:
    """Counts answers by status and keeps the latencies of good ones."""

    statuses: Counter[int] = field(default_factory=Counter)
    good: list[tuple[float, float]] = field(default_factory=list)  # (at, seconds)

    def __call__(self, post: Post, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.good.append((answer.at, answer.seconds))

    @property
    def failed(self) -> int:
        """Calls without a good answer."""
        return self.statuses.total() - self.statuses[200]

    def milliseconds(self, share: float, since: float = 0.0, until: float = 1e9) -> float:
        """The latency that `share` of the good answers asked for in that time stay within."""
        return percentile([s for at, s in self.good if since <= at < until], share)


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds; 0 where there is nothing."""
    if not seconds:
        return 0.0
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)


@dataclass
class Load:
    """Drives a server with `connections` for `seconds`; `choose` gives each request.

    With `obedient`, a caller that is refused waits as long as the server says (`Retry-After`),
    else it asks again at once.
    """

    choose: Callable[[], Post]
    connections: int
    seconds: float
    watch: Watch
    obedient: bool = True

    def run(self) -> None:
        """Blocks until every call is answered."""
        uvloop.run(self.drive())

    async def drive(self) -> None:
        self._start = time.monotonic()
        await asyncio.gather(*(self._caller() for _ in range(self.connections)))

    async def _caller(self) -> None:
        line = _Line()
        try:
            while (left := self._start + self.seconds - time.monotonic()) > 0:
                post = self.choose()
                answer = await line.ask(post, self._start)
                self.watch(post, answer)
                if answer.status == BROKEN:
                    await asyncio.sleep(min(0.05, left))
                elif self.obedient and answer.retry_after:
                    await asyncio.sleep(min(answer.retry_after, left))
        finally:
            line.close()


class _Line:
    """One connection, opened again whenever the server has closed it."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, post: Post, start: float) -> Answer:
        asked = time.monotonic()
        try:
            async with asyncio.timeout(_TIMEOUT):
                status, headers, body = await self._exchange(post)
        except (OSError, EOFError, ValueError, IndexError):
            self.close()
            return Answer(BROKEN, asked - start, time.monotonic() - asked)
        retry_after = float(headers.get(b"retry-after", b"0"))
        return Answer(status, asked - start, time.monotonic() - asked, retry_after, body)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, post: Post) -> tuple[int, dict[bytes, bytes], bytes]:
        parts = urlsplit(post.url)
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
        assert self._reader
        # Not drained: a server that refuses answers before it has read the body.
        self._writer.write(_head(post, parts.netloc, parts.path, parts.query) + post.body)
        status, headers = _parsed(await self._reader.readuntil(b"\r\n\r\n"))
        body = await self._reader.readexactly(int(headers.get(b"content-length", b"0")))
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
        return status, headers, body


def _head(post: Post, host: str, path: str, query: str) -> bytes:
    authorization = f"Authorization: {post.authorization}\r\n" if post.authorization else ""
    return (
        f"POST {path}{'?' if query else ''}{query} HTTP/1.1\r\nHost: {host}\r\n{authorization}"
        f"Content-Type: {post.content_type}\r\nContent-Length: {len(post.body)}\r\n\r\n"
    ).encode()


def _parsed(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.rstrip().split(b"\r\n")
    pairs = (line.split(b":", 1) for line in lines)
    return int(first.split()[1]), {name.strip().lower(): value.strip() for name, value in pairs}


def around(posts: list[Post]) -> Callable[[], Post]:
    """Chooses one after the other, over and over."""
    turn: Iterator[Post] = itertools.cycle(posts)
    return lambda: next(turn)

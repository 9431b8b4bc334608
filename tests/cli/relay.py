"""A proxy between the command and everything: it counts what passes, and misbehaves when told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

BLOCK = 64 * 1024
NEVER = float("inf")
STORE = "http://store.test/content?signature=1"


@dataclass
class Passed:
    """One request, and how many bytes of its body and of its answer's went through."""

    method: str
    url: str
    headers: dict[str, str]
    sent: int = 0
    received: int = 0
    answered: threading.Event = field(default_factory=threading.Event)


@dataclass
class Relay:
    """`environ` leads a client through it. Counts are of bytes of bodies."""

    port: int = 0
    passed: list[Passed] = field(default_factory=list)
    # After so many bytes of files sent or received: nothing moves; or once, the connection ends.
    hold_sent_at: float = NEVER
    hold_received_at: float = NEVER
    break_sent_at: float = NEVER
    break_received_at: float = NEVER
    spoil: bytes = b""  # what the first bytes of a file are replaced by, either way
    store: bytes | None = None  # content that the hub is made to lead to, elsewhere
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environ(self) -> dict[str, str]:
        return {"http_proxy": f"http://127.0.0.1:{self.port}", "no_proxy": ""}

    @property
    def puts(self) -> list[Passed]:
        return [request for request in self.passed if request.method == "PUT"]

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.puts)

    @property
    def received(self) -> int:
        return sum(request.received for request in self.passed if _is_content(request))

    def serve(self, client: socket.socket) -> None:
        """One request; its connection ends with it."""
        with client, suppress(OSError), client.makefile("rb") as reader:
            passed = _head(reader)
            if passed is None:
                return
            self.passed.append(passed)
            if self.store is not None and _is_content(passed):
                client.sendall(_stored(passed, self.store))
                return
            parts = urlsplit(passed.url)
            with socket.create_connection((parts.hostname, parts.port or 80), 30) as server:
                server.sendall(_request(passed))
                back = (server, client, passed)
                threading.Thread(target=self._answer, args=back, daemon=True).start()
                self._body(reader, client, server, passed)
                passed.answered.wait(60)

    def _body(
        self, reader: IO[bytes], client: socket.socket, server: socket.socket, passed: Passed
    ) -> None:
        left, first = int(passed.headers.get("content-length", "0")), passed.method == "PUT"
        while left and (block := reader.read(min(BLOCK, left))):
            if passed.method == "PUT":
                self._hold(self.sent >= self.hold_sent_at)
                if self._breaks("break_sent_at", self.sent):
                    client.shutdown(socket.SHUT_RDWR)
                    return
            server.sendall(self.spoil + block[len(self.spoil) :] if first else block)
            first = False
            passed.sent += len(block)
            left -= len(block)

    def _answer(self, server: socket.socket, client: socket.socket, passed: Passed) -> None:
        try:
            with suppress(OSError), server.makefile("rb") as reader:
                self._pass_answer(reader, client, passed)
        finally:
            passed.answered.set()

    def _pass_answer(self, reader: IO[bytes], client: socket.socket, passed: Passed) -> None:
        head = bytearray()
        while (line := reader.readline()) not in (b"\r\n", b""):
            if not line.lower().startswith(b"connection:"):
                head += line
        client.sendall(head + b"Connection: close\r\n\r\n")
        content = _is_content(passed) and b" 20" in head[:16]
        spoil = self.spoil if content else b""
        while block := reader.read1(BLOCK):
            if content:
                self._hold(self.received >= self.hold_received_at)
                if self._breaks("break_received_at", self.received):
                    client.shutdown(socket.SHUT_RDWR)
                    return
            passed.received += len(block)
            client.sendall(spoil + block[len(spoil) :])
            spoil = b""

    def _hold(self, due: bool) -> None:
        if due:
            self.held.set()
            self.released.wait()

    def _breaks(self, limit: str, count: int) -> bool:
        """Once, when it is due."""
        with self._lock:
            due = count >= getattr(self, limit)
            if due:
                setattr(self, limit, NEVER)
            return due


def _head(reader: IO[bytes]) -> Passed | None:
    line = reader.readline().decode().split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (given := reader.readline().decode().strip()) and ":" in given:
        name, _, value = given.partition(":")
        headers[name.lower()] = value.strip()
    return Passed(line[0], line[1], headers)


def _stored(passed: Passed, content: bytes) -> bytes:
    """The hub's answer that leads to the store, or the store's own."""
    if not passed.url.startswith(STORE):
        return f"HTTP/1.1 302 Found\r\nLocation: {STORE}\r\nContent-Length: 0\r\n\r\n".encode()
    first, _, last = passed.headers["range"].removeprefix("bytes=").partition("-")
    part = content[int(first) : int(last) + 1]
    passed.received += len(part)
    lines = (
        "HTTP/1.1 206 Partial Content",
        f"Content-Range: bytes {first}-{last}/{len(content)}",
        f"Content-Length: {len(part)}",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + part


def _is_content(passed: Passed) -> bool:
    """Whether it asks for bytes of a file."""
    return passed.method == "GET" and "range" in passed.headers


def _request(passed: Passed) -> bytes:
    parts = urlsplit(passed.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    kept = {n: v for n, v in passed.headers.items() if n not in ("connection", "proxy-connection")}
    lines = [f"{passed.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in kept.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


@contextmanager
def relaying() -> Iterator[Relay]:
    relay = Relay()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        relay.port = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, relay), daemon=True).start()
        try:
            yield relay
        finally:
            relay.released.set()


def _accept(listener: socket.socket, relay: Relay) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=relay.serve, args=(client,), daemon=True).start()

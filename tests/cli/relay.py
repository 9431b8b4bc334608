"""A proxy between the command and everything: it counts what passes, and misbehaves when told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

BLOCK = 64 * 1024


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
    hold_sent_at: float = float("inf")  # after so many bytes sent by PUT, nothing moves
    break_received_at: float = float("inf")  # after so many bytes received, once, all breaks
    spoil: bytes = b""  # what the first bytes of each received file are replaced by
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
            passed = self._head(reader)
            if passed is None:
                return
            parts = urlsplit(passed.url)
            with socket.create_connection((parts.hostname, parts.port or 80), 30) as server:
                target = f"{parts.path}?{parts.query}" if parts.query else parts.path
                server.sendall(_request(passed, target))
                threading.Thread(
                    target=self._answer, args=(server, client, passed), daemon=True
                ).start()
                self._body(reader, server, passed)
                passed.answered.wait(60)

    def _head(self, reader: IO[bytes]) -> Passed | None:
        line = reader.readline().decode().split()
        if len(line) != 3:
            return None
        headers: dict[str, str] = {}
        while (given := reader.readline().decode().strip()) and ":" in given:
            name, _, value = given.partition(":")
            headers[name.lower()] = value.strip()
        passed = Passed(line[0], line[1], headers)
        self.passed.append(passed)
        return passed

    def _body(self, reader: IO[bytes], server: socket.socket, passed: Passed) -> None:
        left = int(passed.headers.get("content-length", "0"))
        while left and (block := reader.read(min(BLOCK, left))):
            if passed.method == "PUT" and self.sent >= self.hold_sent_at:
                self.held.set()
                self.released.wait()
            server.sendall(block)
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
        spoil = self.spoil if _is_content(passed) and b" 20" in head[:16] else b""
        while block := reader.read1(BLOCK):
            passed.received += len(block)
            if self._breaks(passed):
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(spoil + block[len(spoil) :])
            spoil = b""

    def _breaks(self, passed: Passed) -> bool:
        with self._lock:
            due = _is_content(passed) and self.received >= self.break_received_at
            if due:
                self.break_received_at = float("inf")
            return due


def _is_content(passed: Passed) -> bool:
    """Whether it asks for bytes of a file."""
    return passed.method == "GET" and "range" in passed.headers


def _request(passed: Passed, target: str) -> bytes:
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

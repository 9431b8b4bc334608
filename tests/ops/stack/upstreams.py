"""Servers that stand for the roles behind a gateway, and tell what reached them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WITHIN = 10.0  # seconds


class Upstream(ThreadingHTTPServer):
    """Answers every request with its role and what it was asked.

    `body_began` is set once a first byte of a body is here. While `held`, an answer waits after
    its first piece.
    """

    daemon_threads = True

    def __init__(self, role: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.role = role
        self.body_began = threading.Event()
        self.held = False
        self.go_on = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left half-way is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Upstream

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length and self.rfile.read(1):
            self.server.body_began.set()
            self.rfile.read(length - 1)
        body = json.dumps({"role": self.server.role, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(body) if self.server.held else len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.server.held:
            self.wfile.flush()
            self.server.go_on.wait(WITHIN)
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def upstream(role: str) -> Iterator[Upstream]:
    """A server of that role while the block lasts."""
    server = Upstream(role)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Dead:
    """Takes connections and breaks them off; counts them."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.asked = 0

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.asked += 1
            connection.close()


@contextmanager
def dead() -> Iterator[Dead]:
    """A server that has died, while the block lasts."""
    server = Dead()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.listening.shutdown(socket.SHUT_RDWR)
        server.listening.close()
        thread.join()

"""The port at which the roles that serve nothing else are asked how they are, and what they count.

A small thread beside the work answers it, so it answers while every child is busy.
"""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from django.db import connection
from prometheus_client import CONTENT_TYPE_LATEST

from ops import health
from ops.health import Check

logger = logging.getLogger(__name__)

Metrics = Callable[[], bytes]
Answer = tuple[int, str, bytes]
JSON = "application/json"


class HealthPort:
    """Answers `/livez`, `/readyz` and `/metrics` at one address until the process ends.

    OSError where the address is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        lives: Mapping[str, Check],
        ready: Mapping[str, Check],
        metrics: Metrics,
    ) -> None:
        self._pages: dict[str, Callable[[], Answer]] = {
            "/livez": lambda: _health(lives),
            "/readyz": lambda: _health(ready),
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, metrics()),
        }
        self._server = _server_class(host)((host, port), self._handler())
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Answer from now on, from a thread."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def leave(self) -> None:
        """In a child of the process: the port is its parent's alone."""
        self._server.socket.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self._pages

        class Handler(_Handler):
            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                self.answer(*(_answer_of(page) if page else _said(404, "not found")))

        return Handler


class _Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds for a request to come

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request that is known here, in JSON like everything else."""
        self.close_connection = True
        self.answer(*_said(code, message or self.responses[code][0]))

    def log_message(self, *args: Any) -> None:
        """A look every few seconds is no news."""


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True

    return Server


def _health(checks: Mapping[str, Check]) -> Answer:
    try:
        status, body = health.run(checks)
    finally:
        connection.close()  # of this thread, which ends
    return status, JSON, orjson.dumps(body)


def _answer_of(page: Callable[[], Answer]) -> Answer:
    try:
        return page()
    except Exception:
        logger.exception("a page of the health port fails")
        return _said(500, "failed")


def _said(status: int, text: str) -> Answer:
    return status, JSON, orjson.dumps({"status": text.lower()})

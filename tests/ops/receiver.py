"""A real HTTP receiver of webhooks on this machine, which does as a test says."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: str


Answering = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Answering:
    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return say


@dataclass
class Receiver:
    """What came, and what is answered: the next of `answers`, 204 when there is none left."""

    url: str
    released: threading.Event = field(default_factory=threading.Event)
    received: Queue[Received] = field(default_factory=Queue)
    answers: list[Answering] = field(default_factory=list)

    def next(self) -> Received:
        return self.received.get(timeout=10)

    @property
    def count(self) -> int:
        return self.received.qsize()

    def never(self, handler: BaseHTTPRequestHandler) -> None:
        """No answer until the test is over."""
        self.released.wait(30)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.received.put(Received(self.path, dict(self.headers), body))
            say = receiver.answers.pop(0) if receiver.answers else answer(204)
            with suppress(BrokenPipeError, ConnectionResetError):  # the hub had heard enough
                say(self)

        def do_GET(self) -> None:
            receiver.received.put(Received(f"GET {self.path}", {}, ""))
            answer(200)(self)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()

"""Connections of one request: to checked addresses, and over when its time is."""

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import httpcore

from ops.notifications.addresses import Resolver, addresses_of


class Deadline:
    """The end of the time that one request has, whatever it does with it."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then, more than none; `TimeoutError` after it."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class CheckedBackend(httpcore.NetworkBackend):
    """Resolves a name once, judges all its addresses, and connects to one that was judged."""

    def __init__(self, deadline: Deadline, *, private: bool, resolver: Resolver) -> None:
        self._deadline = deadline
        self._private = private
        self._resolver = resolver

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = resolve_in_time(
            host, port, self._deadline, private=self._private, resolver=self._resolver
        )
        return _Stream(self._first_that_answers(addresses, port), self._deadline)

    def _first_that_answers(self, addresses: list[str], port: int) -> socket.socket:
        """Each gets its share of the time that is left."""
        failed: OSError = OSError("no address")
        for number, address in enumerate(addresses):
            share = self._deadline.left() / (len(addresses) - number)
            try:
                return socket.create_connection((address, port), timeout=share)
            except OSError as error:
                failed = error
        raise failed


class _Stream(httpcore.NetworkStream):
    """A socket that nobody waits for beyond the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(self._deadline.left())
        try:
            self._socket.sendall(buffer)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise httpcore.WriteError(str(error)) from error  # it may have answered before

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        self._socket.settimeout(self._deadline.left())
        try:
            wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except Exception:
            self.close()
            raise
        return _Stream(wrapped, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._socket if info == "ssl_object" and hasattr(self._socket, "version") else None


def resolve_in_time(
    host: str, port: int, deadline: Deadline, *, private: bool, resolver: Resolver
) -> list[str]:
    """As `addresses_of`, `TimeoutError` after the deadline: the system's look-up knows none."""
    future: Future[list[str]] = Future()

    def run() -> None:
        try:
            future.set_result(addresses_of(host, port, private=private, resolver=resolver))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return future.result(timeout=deadline.left())

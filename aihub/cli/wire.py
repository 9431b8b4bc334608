"""Bytes between files and URLs: over connections that stay open, and without copying them about.

On plain HTTP the kernel sends a file by itself; a library of requests takes several times the
processor's time for the same.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

CHUNK = 1024 * 1024
TIMEOUT = 60.0  # seconds in which nothing at all moves


class Broken(Exception):
    """The connection did not hold; the same may go through another time."""


class Stopped(Exception):
    """The command ends: no more bytes."""


@dataclass(frozen=True)
class Slice:
    """A part of a file, in bytes."""

    path: Path
    offset: int
    size: int


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Wire:
    """The connections of one thread, one a server. `stop` ends a transfer within a chunk."""

    def __init__(self, tls: ssl.SSLContext, stop: threading.Event) -> None:
        self._tls = tls
        self._stop = stop
        self._connections: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def put(
        self, url: str, headers: Mapping[str, str], part: Slice, moved: Callable[[int], None]
    ) -> Answer:
        """PUT a part of a file; `moved` is told of bytes as they go out."""
        parts = urlsplit(url)
        connection = self._connection(parts)
        try:
            self._begin(connection, "PUT", parts, {**headers, "Content-Length": str(part.size)})
            try:
                self._send(connection, part, moved)
            except (ConnectionError, ssl.SSLError):
                # Who refuses answers before the body's end, and closes.
                return self._refusal(connection)
            response = connection.getresponse()
            answer = Answer(response.status, _lower(response), response.read())
        except (OSError, http.client.HTTPException) as error:
            self._drop(parts)
            raise Broken(str(error) or type(error).__name__) from error
        except BaseException:
            self._drop(parts)
            raise
        self._keep(parts, response)
        return answer

    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        take: Callable[[Answer], Callable[[bytes], None] | None],
    ) -> Answer:
        """GET; `take` sees the head of an answer and says who gets its content, if anybody."""
        parts = urlsplit(url)
        connection = self._connection(parts)
        try:
            self._begin(connection, "GET", parts, headers)
            response = connection.getresponse()
            answer = Answer(response.status, _lower(response))
            receive = take(answer)
            if receive is None:
                answer = Answer(answer.status, answer.headers, response.read(CHUNK))
            else:
                self._receive(response, receive)
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            self._drop(parts)
            raise Broken(str(error) or type(error).__name__) from error
        except BaseException:
            self._drop(parts)
            raise
        self._keep(parts, response)
        return answer

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        key = (parts.scheme, parts.netloc)
        if key not in self._connections:
            try:
                self._connections[key] = _connect(parts, self._tls)
            except OSError as error:
                raise Broken(str(error) or type(error).__name__) from error
        return self._connections[key]

    def _begin(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
    ) -> None:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        if _proxy(parts) and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"
        connection.putrequest(method, target, skip_accept_encoding=True, skip_host=True)
        connection.putheader("Host", parts.netloc)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()

    def _send(
        self, connection: http.client.HTTPConnection, part: Slice, moved: Callable[[int], None]
    ) -> None:
        with part.path.open("rb", buffering=0) as file:
            done = 0
            while done < part.size:
                if self._stop.is_set():
                    raise Stopped
                count = min(CHUNK, part.size - done)
                sent = _send_chunk(connection, file, part.offset + done, count)
                if not sent:
                    raise Broken("the file has become shorter")
                done += sent
                moved(sent)

    def _receive(self, response: http.client.HTTPResponse, to: Callable[[bytes], None]) -> None:
        while chunk := response.read1(CHUNK):
            if self._stop.is_set():
                raise Stopped
            to(chunk)
        if response.length:
            raise Broken("the answer ended too early")

    def _refusal(self, connection: http.client.HTTPConnection) -> Answer:
        response = connection.getresponse()
        answer = Answer(response.status, _lower(response), response.read(CHUNK))
        connection.close()
        if answer.status < 400:
            raise Broken("the answer came before the body's end")
        return answer

    def _keep(self, parts: SplitResult, response: http.client.HTTPResponse) -> None:
        if response.will_close or not response.isclosed():
            self._drop(parts)

    def _drop(self, parts: SplitResult) -> None:
        if connection := self._connections.pop((parts.scheme, parts.netloc), None):
            connection.close()


def _send_chunk(
    connection: http.client.HTTPConnection, file: IO[bytes], offset: int, count: int
) -> int:
    sock = connection.sock
    if not isinstance(sock, ssl.SSLSocket):
        return sock.sendfile(file, offset, count)
    file.seek(offset)
    content = file.read(count)
    sock.sendall(content)
    return len(content)


def _connect(parts: SplitResult, tls: ssl.SSLContext) -> http.client.HTTPConnection:
    """An open connection to a URL's server, through the environment's proxy where it names one."""
    host, port = str(parts.hostname), parts.port
    proxy = _proxy(parts)
    near_host, near_port = (str(proxy.hostname), proxy.port) if proxy else (host, port)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(near_host, near_port, timeout=TIMEOUT, context=tls)
        if proxy:
            connection.set_tunnel(host, port or 443)
    else:
        connection = http.client.HTTPConnection(near_host, near_port, timeout=TIMEOUT)
    connection.connect()
    return connection


def _proxy(parts: SplitResult) -> SplitResult | None:
    url = getproxies().get(parts.scheme)
    return urlsplit(url) if url and not proxy_bypass(str(parts.hostname)) else None


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}

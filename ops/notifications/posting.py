"""One POST to a receiver that nobody here trusts: bounded in time and bytes, and never redirected.

Proxies of the environment are not used: they would resolve the name again.
"""

import functools
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import certifi
import httpcore

from ops.notifications.addresses import NotPublic, Resolver, resolve
from ops.notifications.connecting import CheckedBackend, Deadline
from ops.notifications.outcome import Errors, Outcome, Stopwatch

SECONDS = 10.0  # for all of it, from looking up the name to the end of the answer
READ_MAX = 64 * 1024
KEPT = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered: its status, and the first KiB of the body as text."""

    status: int
    beginning: str


def post(
    url: str,
    headers: Mapping[str, str],
    body: str,
    *,
    private: bool = False,
    resolver: Resolver = resolve,
    seconds: float = SECONDS,
) -> Outcome:
    """Send once and say how it went; raises nothing that a receiver or a network can cause."""
    watch = Stopwatch()
    deadline = Deadline(seconds)
    try:
        backend = CheckedBackend(deadline, private=private, resolver=resolver)
        answer = _exchange(url, headers, body, backend)
    except (OSError, UnicodeError, NotPublic, httpcore.ProtocolError, httpcore.NetworkError) as e:
        return Outcome(_kind_of(e), str(e)[:500], duration_ms=watch.ms)
    error = "" if 200 <= answer.status < 300 else Errors.STATUS
    detail = "" if not error else f"HTTP {answer.status}"
    return Outcome(error, detail, answer.status, answer.beginning, watch.ms)


def _exchange(
    url: str, headers: Mapping[str, str], body: str, backend: httpcore.NetworkBackend
) -> Answer:
    with (
        httpcore.ConnectionPool(
            ssl_context=_tls(), network_backend=backend, max_keepalive_connections=0
        ) as pool,
        pool.stream("POST", url, headers=list(headers.items()), content=body.encode()) as response,
    ):
        return Answer(response.status, _beginning(response))


def _beginning(response: httpcore.Response) -> str:
    """The body's first KiB; a body that does not come, or does not end, changes nothing."""
    kept, count = b"", 0
    with suppress(OSError, httpcore.ProtocolError, httpcore.NetworkError):
        for chunk in response.iter_stream():
            kept, count = (kept + chunk)[:KEPT], count + len(chunk)
            if count >= READ_MAX:
                break
    return kept.decode(errors="replace").replace("\0", "�")


def _kind_of(error: Exception) -> Errors:
    match error:
        case NotPublic():
            return Errors.ADDRESS
        case socket.gaierror() | UnicodeError():
            return Errors.NAME
        case TimeoutError():
            return Errors.TIMEOUT
        case ssl.SSLError():
            return Errors.TLS
        case httpcore.ProtocolError():
            return Errors.ANSWER
    return Errors.CONNECTION


@functools.lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Trusts the system's authorities, a company's own among them, and Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context

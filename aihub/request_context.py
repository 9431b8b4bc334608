"""The request id and the client's address, known to logs, problems and audit alike."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
NO_ID = "-"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")


Labels = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`labels` are fields of the log that all lines of the work have (`aihub.logs.fields`)."""

    request_id: str = NO_ID
    address: str = ""
    labels: Labels = ()


_ids = random.Random()  # an id is no secret, and asking the system for each takes its time
_NONE = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("request_context", default=_NONE)


def current() -> RequestContext:
    """The context of the request that is being answered, or an empty one."""
    return _current.get()


class use:  # noqa: N801 - a context manager, as quick as it can be
    """Make this the context of what runs in the block."""

    __slots__ = ("_context", "_token")

    def __init__(self, request_id: str, address: str = "") -> None:
        self._context = RequestContext(request_id or NO_ID, address)

    def __enter__(self) -> None:
        self._token = _current.set(self._context)

    def __exit__(self, *raised: object) -> None:
        _current.reset(self._token)


@contextmanager
def about(**labels: Any) -> Iterator[None]:
    """Have all lines of what runs in the block say what they are about: `aihub.…` in the log.

    Names are as in `batch_job=1`, which becomes `aihub.batch.job`.
    """
    named = tuple((f"aihub.{name.replace('_', '.')}", value) for name, value in labels.items())
    now = current()
    token = _current.set(replace(now, labels=now.labels + named))
    try:
        yield
    finally:
        _current.reset(token)


def kept_id() -> str:
    """The id to keep with work that is asked for now: the request's, or a new one where none is
    being answered, so that the lines of the work can be found together."""
    known = current().request_id
    return request_id_from("") if known == NO_ID else known


def request_id_from(given: str) -> str:
    """The caller's request id where it is well formed, else a new one."""
    if given and _ACCEPTED.fullmatch(given):
        return given
    return f"{_ids.getrandbits(128):032x}"


def client_address(peer: str, forwarded_for: str, *, trusted_proxies: int) -> str:
    """The client's address: the n-th from the right of X-Forwarded-For behind n trusted proxies."""
    if not trusted_proxies:
        return peer
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    return hops[-trusted_proxies] if len(hops) >= trusted_proxies else peer


class RequestContextMiddleware:
    """Set the context for one request and name its id in the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        context = _context_of(request.META)
        # Not reset afterwards: Django logs what it answered once every middleware is done.
        _current.set(context)
        response = self.get_response(request)
        response[HEADER] = context.request_id
        return response


def _context_of(meta: Mapping[str, str]) -> RequestContext:
    address = client_address(
        meta.get("REMOTE_ADDR", ""),
        meta.get("HTTP_X_FORWARDED_FOR", ""),
        trusted_proxies=settings.ENV.AIHUB_TRUSTED_PROXIES,
    )
    return RequestContext(request_id_from(meta.get("HTTP_X_REQUEST_ID", "")), address[:45])

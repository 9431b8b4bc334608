"""The request id and the client's address, known to logs, problems and audit alike."""

import random
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    request_id: str = "-"
    address: str = ""


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
        self._context = RequestContext(request_id or "-", address)

    def __enter__(self) -> None:
        self._token = _current.set(self._context)

    def __exit__(self, *raised: object) -> None:
        _current.reset(self._token)


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

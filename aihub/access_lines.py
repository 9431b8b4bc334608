"""The line of every request that Django answers."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from aihub import probed, request_context

_LONGEST = 200  # characters of what a caller chooses

logger = logging.getLogger(__name__)


class AccessLineMiddleware:
    """Write a line once a request is answered: who, what, how it ended, how long it took.

    Probes and whoever collects metrics ask all the time: their lines are for DEBUG. Neither
    queries nor bodies nor headers are written, as they may hold what nobody else is to know.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        level = logging.DEBUG if request.path in probed.PATHS else logging.INFO
        if logger.isEnabledFor(level):
            fields = _fields(request, response, time.perf_counter() - started)
            path = fields["url.path"]
            said = f"{request.method} {path} {response.status_code}"
            logger.log(level, "%s", said, extra={"ecs": fields})
        return response


def _fields(request: HttpRequest, response: HttpResponse, seconds: float) -> dict[str, Any]:
    fields = {
        "event.dataset": "aihub.requests",
        "event.action": "request",
        "event.outcome": "success" if response.status_code < 400 else "failure",
        "event.duration": int(seconds * 1e9),  # nanoseconds, as ECS has it
        "http.request.method": request.method,
        "http.response.status_code": response.status_code,
        "url.path": request.path[:_LONGEST],
        "user_agent.original": request.headers.get("User-Agent", "")[:_LONGEST],
        "client.ip": request_context.current().address,
        "user.id": _caller(request),
    }
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _caller(request: HttpRequest) -> str:
    """The principal's id, where somebody asked for it while the request was answered."""
    # A session's user is looked up when asked for: nobody is asked only for the log.
    user = getattr(request, "_cached_user", None) or request.__dict__.get("user")
    key = getattr(user, "pk", None) if "_wrapped" not in getattr(user, "__dict__", {}) else None
    return f"user:{key}" if isinstance(key, int) else key or ""

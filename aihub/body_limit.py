"""Refuse a body that is too large by its announced length, before a byte of it is read."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext

from aihub import problems, request_context
from aihub.metrics import Limited
from aihub.problems import N_, Problem


class BodyLimitMiddleware:
    """413 over the path's limit; 411 for a body of unknown length."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        problem = _problem_with(request)
        return self.get_response(request) if problem is None else _answer(problem)


def body_limit(path: str) -> int:
    """How many bytes a body sent to `path` may have."""
    for pattern, limit in settings.BODY_MAX_AT.items():
        if re.fullmatch(pattern, path):
            return int(limit)
    return int(settings.BODY_MAX)


def _problem_with(request: HttpRequest) -> Problem | None:
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return Problem(411, N_("Send the body's length in a Content-Length header."))
    length, limit = request.headers.get("Content-Length") or "0", body_limit(request.path)
    if not (length.isascii() and length.isdigit()):
        return Problem(400, N_("The Content-Length header is not a number."))
    if int(length) > limit:
        return Limited(
            "body",
            413,
            N_("The body is too large; at most %(limit)s bytes are taken here."),
            limit=limit,
        )
    return None


def _answer(problem: Problem) -> HttpResponse:
    body = problems.document(
        problem.status,
        problem.detail(gettext),
        request_id=request_context.current().request_id,
    )
    return JsonResponse(body, status=problem.status, content_type=problems.CONTENT_TYPE)

"""What every control API view shares: pages, problems, and the caller."""

import logging
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from django.utils.translation import gettext, gettext_lazy as _
from rest_framework import exceptions, pagination, parsers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import set_rollback

from aihub import problems, request_context
from aihub.access import Principal
from aihub.plain import plain
from aihub.problems import N_, Problem

logger = logging.getLogger(__name__)


class Pagination(pagination.PageNumberPagination):
    """`{count, next, previous, results}`."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class JSONParser(parsers.JSONParser):
    """JSON whose nesting Python can follow."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError:
            raise exceptions.ParseError(_("The JSON is nested too deep.")) from None


def caller(request: Request) -> Principal:
    """Who calls; views that allow anonymous callers must not ask."""
    return cast(Principal, cast(Any, request.user).principal)


def validated(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """Input as its serializer reads it; `ValidationError` (400) where it does not fit."""
    checked = serializer(data=data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every error as a problem document; what is not foreseen stays a 500."""
    problem = _as_problem(error)
    if problem is None:
        return None
    set_rollback()
    return problem_response(problem)


def problem_response(problem: Problem) -> Response:
    body = problems.document(
        problem.status,
        problem.detail(gettext),
        request_id=request_context.current().request_id,
        errors=problem.errors,
    )
    return Response(
        plain(body),  # it may quote what could not be encoded
        status=problem.status,
        headers=problem.headers,
        content_type=problems.CONTENT_TYPE,
    )


def _as_problem(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case Http404():
            return Problem(404, N_("There is nothing here."))
        case PermissionDenied():
            return Problem(403, N_("You may not do this."))
        case exceptions.ValidationError():
            errors = list(_flatten(error.detail))
            return Problem(400, N_("The request does not fit."), errors=errors)
        case exceptions.APIException():
            return _from_api_exception(error)
        case UnreadablePostError():
            return Problem(400, N_("The connection broke before the whole body had come."))
        case OperationalError() | InterfaceError():
            logger.error("the database failed", exc_info=error)
            return Problem(503, N_("The database does not answer."), headers={"Retry-After": "5"})
    return None


def _from_api_exception(error: exceptions.APIException) -> Problem:
    headers: dict[str, str] = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return Problem(error.status_code, "%(detail)s", detail=_text(error.detail), headers=headers)


def _text(detail: Any) -> str:
    return str(detail.get("detail", detail)) if isinstance(detail, dict) else str(detail)


def _flatten(detail: Any, field: str = "") -> Any:
    """`{field: [messages]}`, however nested, as `{field, detail}` entries."""
    if isinstance(detail, dict):
        for name, value in detail.items():
            yield from _flatten(value, f"{field}.{name}" if field else str(name))
    elif isinstance(detail, list):
        for value in detail:
            yield from _flatten(value, field)
    else:
        yield {"field": field, "detail": str(detail)}

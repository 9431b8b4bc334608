"""Errors outside of any view: problem documents under `/api/`, pages elsewhere."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext

from aihub import problems, request_context
from aihub.problems import N_

_DETAILS = {
    400: N_("The request does not fit."),
    403: N_("You may not do this."),
    404: N_("There is nothing here."),
    500: N_("Something went wrong here; the request id helps to find out what."),
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, 403)


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    request_id = request_context.current().request_id
    detail = gettext(_DETAILS[status])
    if not request.path.startswith("/api/"):
        context = {"status": status, "detail": detail, "request_id": request_id}
        return render(request, "error.html", context, status=status)
    body = problems.document(status, detail, request_id=request_id)
    return JsonResponse(body, status=status, content_type=problems.CONTENT_TYPE)

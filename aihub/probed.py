"""What probes and Prometheus ask a replica for, by its address: no host name leads to it alone."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import resolve

PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class ProbedMiddleware:
    """Answers these paths before any other middleware asks for an allowed host name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in PATHS:
            return self.get_response(request)
        view, args, named = resolve(request.path_info)
        response: HttpResponse = view(request, *args, **named)
        return response

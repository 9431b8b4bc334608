"""Django over WSGI: the `web` role, and what the ASGI application hands over to on a laptop."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import resolve
from django.utils.http import parse_header_parameters

from aihub import metrics, tracing
from aihub.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def utf8_alone(inner: Application) -> Application:
    """Answer 415 to other charsets: Django would decode by them, whatever their codec does."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if _is_utf8(environ.get("CONTENT_TYPE", "")):
            return inner(environ, start_response)
        start_response("415 Unsupported Media Type", [("Content-Type", "text/plain")])
        return [b"Send text as UTF-8.\n"]

    return app


def _is_utf8(content_type: str) -> bool:
    try:
        _, parameters = parse_header_parameters(content_type)
    except (LookupError, ValueError):
        return False
    return parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


metrics.begin()
if _spans := tracing.start(settings.ENV):
    _spans.trace_django(after="aihub.request_context.RequestContextMiddleware")
application = utf8_alone(get_wsgi_application())
resolve("/")  # imports every view: the first call does not have to wait for that
settle()

"""DRF's side of identity: one authentication class a kind of credential."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from aihub.access import Principal
from aihub.problems import N_, Problem
from ops.identity.credentials import Authenticator
from ops.identity.directory import DatabaseDirectory, user_record
from ops.identity.last_used import note_now

_authenticator = Authenticator(DatabaseDirectory, on_key=note_now)


@dataclass(frozen=True, slots=True)
class Caller:
    """What DRF sees as the user of a request."""

    principal: Principal
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def pk(self) -> str:
        return self.principal.id


class HeaderAuthentication(BaseAuthentication):
    """JWT and API keys in the `Authorization` header."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        return Caller(_authenticator.authenticate(header)), None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="aihub"'


class ConsoleAuthentication(BaseAuthentication):
    """The console's session, with its CSRF token in the `X-CSRFToken` header."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        user: AbstractBaseUser | None = getattr(request._request, "user", None)
        if user is None or not user.is_authenticated or not user.is_active:
            return None
        _check_csrf(request._request)
        return Caller(user_record(user).principal), None


def _check_csrf(request: HttpRequest) -> None:
    """Django's own check on the header alone: it must not read the body to find a form field."""
    probe = HttpRequest()
    probe.method, probe.META, probe.COOKIES = request.method, request.META, request.COOKIES
    check = CsrfViewMiddleware(_no_view)
    check.process_request(probe)
    if check.process_view(probe, _no_view, (), {}) is not None:
        raise Problem(403, N_("The X-CSRFToken header is missing or wrong; load the page again."))


def _no_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class HeaderScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = HeaderAuthentication
    name = ["jwtAuth", "apiKey"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        key = {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key <key>`",
        }
        return [{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}, key]


class ConsoleScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = ConsoleAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}

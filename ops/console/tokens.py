"""A short-lived token for the page's script: prediction knows tokens and keys, no session."""

from datetime import timedelta
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from rest_framework_simplejwt.tokens import AccessToken

from ops.console.pages import page

LIFETIME = timedelta(minutes=5)


@page("token/", "token")
@never_cache
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """An access token of the signed-in user, to be kept in the page's memory alone."""
    made: Any = AccessToken.for_user(cast(Any, request.user))
    made.set_exp(lifetime=LIFETIME)
    return JsonResponse({"access": str(made), "seconds": int(LIFETIME.total_seconds())})

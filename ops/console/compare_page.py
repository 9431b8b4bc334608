"""Two versions side by side."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from ops.console.caller import principal_of
from ops.console.pages import page
from registry import selectors


@page("models/<str:name>/compare/", "compare_chosen")
@require_GET
def compare_chosen(request: HttpRequest, name: str) -> HttpResponse:
    model = selectors.model_get(principal_of(request), name)
    return redirect("admin:model", model.name)

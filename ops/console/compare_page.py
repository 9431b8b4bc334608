"""Two versions side by side."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET

from aihub.problems import N_, Problem
from ops.console.caller import principal_of
from ops.console.comparison import comparison_shown, differences_shown
from ops.console.model_page import crumbs_of
from ops.console.pages import page, show
from registry import selectors
from registry.comparing import compare
from registry.models import ModelVersion
from registry.services.fitness import signature_differences

OFFERED = 200  # versions to compare with, by name; others are typed


@page("models/<str:name>/versions/<str:version>/compare/", "version_compare")
@require_GET
def version_compare(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """`?with=1.1.0`, or `?with=other-model/1.1.0`; without it, a choice."""
    principal = principal_of(request)
    left = selectors.version_get(principal, name, version)
    here = reverse("admin:version", args=[left.model.name, left.version])
    crumbs = [*crumbs_of(left.model), (left.version, here), (_("Compare"), request.path)]
    context: dict[str, Any] = {"left": left, "choices": _choices(left)}
    wanted, wrong = request.GET.get("with", "").strip(), ""
    if wanted:
        other, _slash, number = wanted.rpartition("/")
        try:
            right = selectors.version_get(principal, other or name, number)
        except Problem as problem:
            wrong = problem.detail(gettext)
        else:
            context |= {"right": right, "sections": comparison_shown(compare(left, right))}
            context["differences"] = differences_shown(signature_differences(left, right))
    return show(request, "console/compare.html", crumbs, wanted=wanted, wrong=wrong, **context)


@page("models/<str:name>/compare/", "compare_chosen")
@require_GET
def compare_chosen(request: HttpRequest, name: str) -> HttpResponse:
    """What the list of versions sends: two of them, the older one to be the left."""
    model = selectors.model_get(principal_of(request), name)
    chosen = [selectors.version_of(model, text) for text in request.GET.getlist("version")[:2]]
    if len(chosen) != 2:
        raise Problem(400, N_("Choose two versions to compare."))
    left, right = sorted(chosen, key=lambda version: version.sort_key)
    path = reverse("admin:version_compare", args=[model.name, left.version])
    return redirect(f"{path}?with={right.version}")


@page("versions/compare/", "compare_any")
@require_GET
def compare_any(request: HttpRequest) -> HttpResponse:
    """What the list of all versions sends: two of them, as “model/version”."""
    chosen = [text.rpartition("/") for text in request.GET.getlist("version")[:2]]
    if len(chosen) != 2 or any(not number or not name or "/" in name for name, _, number in chosen):
        raise Problem(400, N_("Choose two versions to compare."))
    (name, _slash, number), (other, _slash, right) = chosen
    path = reverse("admin:version_compare", args=[name, number])
    same = name.lower() == other.lower()
    return redirect(f"{path}?{urlencode({'with': right if same else f'{other}/{right}'})}")


def _choices(version: ModelVersion) -> list[str]:
    """The newest versions of the same model."""
    others = version.model.versions.exclude(pk=version.pk).order_by("-sort_key")
    return list(others.values_list("version", flat=True)[:OFFERED])

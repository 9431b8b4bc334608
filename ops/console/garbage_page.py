"""Freeing what nothing refers to: figures first, then, if an administrator wants it, for real."""

import time

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from aihub.problems import N_, Problem
from ops.console.caller import principal_of
from ops.console.pages import page, show
from registry.services.garbage import garbage_collect

BUDGET = 20.0  # seconds of one look; the daily collection takes what is left


@page("trash/garbage/", "garbage")
@require_http_methods(["GET", "POST"])
def garbage_page(request: HttpRequest) -> HttpResponse:
    principal = principal_of(request)
    if not principal.is_admin:
        raise Problem(403, N_("Only administrators collect garbage."))
    found = None
    if request.method == "POST":
        until = time.monotonic() + BUDGET
        found = garbage_collect(
            principal=principal,
            dry_run=request.POST.get("run") != "yes",
            stop=lambda: time.monotonic() > until,
        )
    crumbs = [(_("Trash"), reverse("admin:trash")), (_("Garbage"), request.path)]
    return show(request, "console/garbage.html", crumbs, found=found)

"""The trash: what was deleted, to be taken back, or deleted for good."""

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aihub.problems import N_, Problem
from ops.console.caller import may_delete, principal_of
from ops.console.pages import page, show, told
from registry.selectors.trash import MODEL, trash_entries, trash_rows, trashed_get
from registry.services.trash import model_purge, model_restore, version_purge, version_restore

PER_PAGE = 50


@page("trash/", "trash")
@require_GET
def trash_page(request: HttpRequest) -> HttpResponse:
    if not may_delete(request):
        raise Problem(403, N_("You may not do this."))
    rows = trash_rows(principal_of(request))
    pages = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return show(
        request,
        "console/trash.html",
        [(_("Trash"), request.path)],
        pages=pages,
        entries=trash_entries(pages.object_list),
        days=settings.ENV.AIHUB_TRASH_DAYS,
    )


@page("trash/<str:entry>/restore/", "trash_restore")
@require_POST
def trash_restore(request: HttpRequest, entry: str) -> HttpResponse:
    principal = principal_of(request)
    kind, key = trashed_get(principal, entry)
    with told(request, gettext("“%(name)s” is back.") % {"name": _name_of(entry)}):
        if kind == MODEL:
            return redirect("admin:model", model_restore(key, principal=principal).name)
        version = version_restore(key, principal=principal)
        return redirect("admin:version", version.model.name, version.version)
    return redirect("admin:trash")


@page("trash/<str:entry>/purge/", "trash_purge")
@require_http_methods(["GET", "POST"])
def trash_purge(request: HttpRequest, entry: str) -> HttpResponse:
    """Ask, then delete for good."""
    principal = principal_of(request)
    kind, key = trashed_get(principal, entry)
    name = _name_of(entry)
    if request.method == "POST":
        purge = model_purge if kind == MODEL else version_purge
        with told(request, gettext("“%(name)s” is gone for good.") % {"name": name}):
            purge(key, principal=principal)
        return redirect("admin:trash")
    question = gettext("Delete “%(name)s” for good?") % {"name": name}
    crumbs = [(_("Trash"), reverse("admin:trash")), (_("Delete for good"), request.path)]
    return show(
        request,
        "console/confirm.html",
        crumbs,
        question=question,
        note=_("This cannot be undone. Its name or number is free again then."),
        verb=_("Delete for good"),
        back=crumbs[0][1],
    )


def _name_of(entry: str) -> str:
    """What an entry was called: “digits” or “digits/1.0.0”."""
    kind, _dash, key = entry.partition("-")
    found = trash_entries([{"kind": kind, "key": int(key)}])
    parts = (found[0].model, found[0].version) if found else (entry,)
    return "/".join(part for part in parts if part)

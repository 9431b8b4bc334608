"""The pages of one version: its state, what it is made of, trying it, editing, deleting."""

import json
import math
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aihub.access import Action
from aihub.problems import Problem
from ops.console.caller import principal_of
from ops.console.findings import findings_counted, findings_shown
from ops.console.forms import VersionForm
from ops.console.lineage import lineage_shown
from ops.console.model_page import crumbs_of
from ops.console.pages import Crumb, page, rights, show, to_trash, told
from ops.console.seal import seal_shown
from registry import selectors
from registry.cards import card_html
from registry.models import ModelVersion
from registry.models.registered import Task
from registry.models.versions import Optimisation, State
from registry.selectors.workers import UNDECIDED, stalled_among
from registry.services.variants import variants_renew
from registry.services.versions import PINNED, version_delete, version_update
from registry.usage import uses

STEPS = {
    "checksum": _("Check sums"),
    "identify": _("Identify the format"),
    "scan": _("Scan for unsafe content"),
    "convert": _("Convert in a sandbox"),
    "load": _("Load safely"),
    "sample": _("Run on a sample"),
}
SHOWN_LABELS = 12
LARGEST_EXAMPLE = 1000  # numbers
_BLANKS = {"BYTES": "", "BOOL": False}


@page("models/<str:name>/versions/<str:version>/", "version")
@require_GET
def version_page(request: HttpRequest, name: str, version: str) -> HttpResponse:
    principal = principal_of(request)
    found = selectors.version_get(principal, name, version)
    model_url = f"/api/v1/models/{quote(found.model.name)}"
    findings = findings_shown(found.report)
    return show(
        request,
        "console/version.html",
        _crumbs(found),
        version=found,
        model=found.model,
        steps=_named(found.steps),
        findings=findings,
        finding_counts=findings_counted(findings),
        lineage=lineage_shown(found, principal),
        seal=seal_shown(found),
        converted=found.converted.select_related("blob"),
        uses=uses(ModelVersion.objects.filter(pk=found.pk)),
        card=mark_safe(card_html(found.card)),  # noqa: S308 - sanitised
        shown_labels=found.labels[:SHOWN_LABELS],
        live=found.state in UNDECIDED,
        stalled=stalled_among([found.state]),
        variants=selectors.variants_shown(found),
        optimising=found.state == State.READY and found.optimisation != Optimisation.DONE,
        takes_images=found.model.task == Task.IMAGE_CLASSIFICATION,
        example=_example(found),
        api_url=f"{model_url}/versions/{quote(found.version)}/",
        predict_url=f"{model_url}/predict/?version={quote(found.version)}",
        texts=_texts(),
        hub_url=request.build_absolute_uri("/").rstrip("/"),
        **rights(principal, found.model),
    )


@page("models/<str:name>/versions/<str:version>/edit/", "version_edit")
@require_http_methods(["GET", "POST"])
def version_edit(request: HttpRequest, name: str, version: str) -> HttpResponse:
    principal = principal_of(request)
    found = selectors.version_get(principal, name, version, Action.PUBLISH)
    parent = selectors.parent_of(found, principal) or ""
    form = VersionForm(request.POST or None, instance=found, parent=parent)
    if form.is_valid() and _change(request, found, form):
        return redirect("admin:version", found.model.name, found.version)
    crumbs = [*_crumbs(found), (_("Edit"), request.path)]
    return show(request, "console/form.html", crumbs, form=form, back=crumbs[-2][1])


def _change(request: HttpRequest, found: ModelVersion, form: VersionForm) -> bool:
    """Save what was changed; what the service refuses is told in the form."""
    changes = {field: form.cleaned_data[field] for field in form.changed_data}
    try:
        if changes:
            version_update(found, principal=principal_of(request), changes=changes)
            messages.success(request, gettext("Saved."))
    except Problem as problem:
        fields = {error["field"] for error in problem.errors} & form.fields.keys()
        form.add_error(next(iter(fields), None), problem.detail(gettext))
        return False
    return True


@page("models/<str:name>/versions/<str:version>/pin/", "variant_pin")
@require_POST
def variant_pin(request: HttpRequest, name: str, version: str) -> HttpResponse:
    principal = principal_of(request)
    found = selectors.version_get(principal, name, version, Action.PUBLISH)
    variant = request.POST.get("variant", "")[:40]
    values = {"variant": variant}
    text = gettext("“%(variant)s” serves from now on.") if variant else gettext("Unpinned.")
    with told(request, text % values):
        version_update(found, principal=principal, changes={PINNED: variant})
    return redirect("admin:version", found.model.name, found.version)


@page("models/<str:name>/versions/<str:version>/optimise/", "version_optimise")
@require_POST
def version_optimise(request: HttpRequest, name: str, version: str) -> HttpResponse:
    principal = principal_of(request)
    found = selectors.version_get(principal, name, version, Action.PUBLISH)
    with told(request, gettext("The variants are compiled anew.")):
        variants_renew(found, principal=principal)
    return redirect("admin:version", found.model.name, found.version)


@page("models/<str:name>/versions/<str:version>/delete/", "version_delete")
@require_http_methods(["GET", "POST"])
def version_remove(request: HttpRequest, name: str, version: str) -> HttpResponse:
    principal = principal_of(request)
    found = selectors.version_get(principal, name, version, Action.DELETE)
    values = {"model": found.model.name, "version": found.version}
    if request.method == "POST":
        with told(request, gettext("%(model)s %(version)s is in the trash.") % values):
            version_delete(found, principal=principal)
            return redirect("admin:model", values["model"])
        return redirect("admin:version", values["model"], values["version"])
    question = gettext("Move %(model)s %(version)s to the trash?") % values
    crumbs = [*_crumbs(found), (_("Delete"), request.path)]
    return show(
        request,
        "console/confirm.html",
        crumbs,
        question=question,
        uses=uses(ModelVersion.objects.filter(pk=found.pk)),
        back=crumbs[-2][1],
        **to_trash(),
    )


def _crumbs(version: ModelVersion) -> list[Crumb]:
    model = version.model
    here = reverse("admin:version", args=[model.name, version.version])
    return [*crumbs_of(model), (version.version, here)]


def _named(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**step, "title": STEPS.get(step["name"], step["name"])} for step in steps]


def _example(version: ModelVersion) -> str:
    """What to send to a model that takes no pictures: one row of nothing for every input."""
    inputs = version.signature.get("inputs", [])
    if sum(math.prod(map(abs, tensor["shape"])) for tensor in inputs) > LARGEST_EXAMPLE:
        return ""
    values = {tensor["name"]: _blank(tensor["shape"], tensor["datatype"]) for tensor in inputs}
    only = next(iter(values.values())) if len(values) == 1 else values
    return json.dumps({"inputs": only})


def _blank(shape: list[int], datatype: str) -> Any:
    """A nested list of that shape, with one element where any number is allowed."""
    if not shape:
        return _BLANKS.get(datatype, 0)
    return [_blank(shape[1:], datatype)] * abs(shape[0])


def _texts() -> dict[str, str]:
    """What the page's script says."""
    return {
        "latency": gettext("answered in {ms} ms by {model} {version}"),
        "trying": gettext("Asking the model…"),
        "wrongType": gettext("This file is not an image."),
        "badJson": gettext("This is not valid JSON."),
        "unreachable": gettext("The hub cannot be reached; try again."),
        "signedOut": gettext("You are signed out; load the page again."),
    }

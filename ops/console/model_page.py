"""The pages of one model: what it is, its versions and aliases, editing, deleting."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aihub.access import Action
from ops.console.aliases import pending_of, ready_versions
from ops.console.caller import principal_of
from ops.console.forms import ModelForm
from ops.console.pages import Crumb, page, rights, show, to_trash, told
from ops.console.serving_words import facts_of
from registry import selectors
from registry.cards import card_html
from registry.models import ModelVersion, RegisteredModel
from registry.models.registered import Precision
from registry.selectors.promotion import aliases_of
from registry.selectors.workers import stalled_among
from registry.services.models import model_delete, model_update
from registry.services.samples import sample_remove
from registry.serving import Serving
from registry.usage import uses

SHOWN_VERSIONS = 50
PRECISIONS = {
    Precision.EXACT: _("Only forms that answer within 0.001 of the published weights."),
    Precision.FAST: _(
        "The fastest floating-point form that agrees with the published weights on 98 in 100 real "
        "inputs."
    ),
    Precision.INT8: _(
        "As “fast”, and 8-bit forms too where they agree on 98 in 100 of your own samples."
    ),
}


def crumbs_of(model: RegisteredModel) -> list[Crumb]:
    """The way to a model's page."""
    models = reverse("admin:registry_registeredmodel_changelist")
    return [(_("Models"), models), (model.name, reverse("admin:model", args=[model.name]))]


@page("models/<str:name>/", "model")
@require_GET
def model_page(request: HttpRequest, name: str) -> HttpResponse:
    model = selectors.model_get(principal_of(request), name)
    newest = selectors.versions_listed(model.versions.order_by("-sort_key"))
    versions = list(newest[:SHOWN_VERSIONS])
    return show(
        request,
        "console/model.html",
        crumbs_of(model),
        model=model,
        versions=versions,
        stalled=stalled_among(version.state for version in versions),
        version_count=model.versions.count(),
        all_versions=f"name={model.name}",
        aliases=aliases_of(model),
        requests=pending_of(model),
        samples=model.samples.select_related("blob"),
        precision_means=PRECISIONS[Precision(model.precision)],
        serving=facts_of(Serving.parse(model.serving)),
        card=mark_safe(card_html(model.card)),  # noqa: S308 - sanitised
        texts=_texts(),
        ready=ready_versions(model),
        hub_url=request.build_absolute_uri("/").rstrip("/"),
        **rights(principal_of(request), model),
    )


@page("models/<str:name>/edit/", "model_edit")
@require_http_methods(["GET", "POST"])
def model_edit(request: HttpRequest, name: str) -> HttpResponse:
    model = selectors.model_get(principal_of(request), name, Action.PUBLISH)
    manages = principal_of(request).may(Action.MANAGE, model)
    form = ModelForm(request.POST or None, instance=model, precisions=PRECISIONS, manages=manages)
    if form.is_valid():
        changes = {field: form.cleaned_data[field] for field in form.changed_data}
        if changes:
            model_update(model, principal=principal_of(request), changes=changes)
            messages.success(request, gettext("Saved."))
        return redirect("admin:model", model.name)
    crumbs = [*crumbs_of(model), (_("Edit"), request.path)]
    return show(request, "console/form.html", crumbs, form=form, back=crumbs[-2][1])


@page("models/<str:name>/delete/", "model_delete")
@require_http_methods(["GET", "POST"])
def model_remove(request: HttpRequest, name: str) -> HttpResponse:
    model = selectors.model_get(principal_of(request), name, Action.DELETE)
    if request.method == "POST":
        success = gettext("“%(name)s” is in the trash.") % {"name": model.name}
        with told(request, success):
            model_delete(model, principal=principal_of(request))
            return redirect("admin:registry_registeredmodel_changelist")
        return redirect("admin:model", model.name)
    question = gettext("Move the model “%(name)s” with all its versions to the trash?")
    crumbs = [*crumbs_of(model), (_("Delete"), request.path)]
    return show(
        request,
        "console/confirm.html",
        crumbs,
        question=question % {"name": model.name},
        uses=uses(ModelVersion.objects.filter(model=model), model),
        back=crumbs[-2][1],
        **to_trash(),
    )


@page("models/<str:name>/samples/<str:file>/remove/", "sample_remove")
@require_POST
def sample_delete(request: HttpRequest, name: str, file: str) -> HttpResponse:
    principal = principal_of(request)
    model = selectors.model_get(principal, name, Action.PUBLISH)
    with told(request, gettext("“%(file)s” was removed.") % {"file": file}):
        sample_remove(selectors.sample_get(model, file), principal=principal)
    return redirect("admin:model", model.name)


def _texts() -> dict[str, str]:
    """What the page's script says."""
    return {
        "sending": gettext("Uploading…"),
        "unreachable": gettext("The hub cannot be reached; try again."),
        "failed": gettext("The hub answered with an error ({status})."),
    }

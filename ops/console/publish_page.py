"""Publishing: a form whose script posts to the API, with the session for its credential."""

import json
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET

from aihub.access import Action, Principal
from ops.console.caller import principal_of, teams_where
from ops.console.pages import page, show
from registry import selectors, semver
from registry.models import ModelVersion, RegisteredModel
from registry.models.registered import Task
from registry.models.teams import DEFAULT_TEAM
from registry.preprocessing import INTERPOLATIONS

MOST_MODELS = 500  # that the form knows by name; others are typed in full
# A start for those who type: asking torchvision for all of its names would load torch.
COMMON_ARCHITECTURES = (
    *("convnext_base", "convnext_small", "convnext_tiny", "densenet121", "efficientnet_b0"),
    *("efficientnet_lite0", "efficientnet_lite1", "efficientnet_v2_s", "googlenet"),
    *("inception_v3", "mobilenet_v2", "mobilenet_v3_large", "regnet_y_8gf", "resnet18"),
    *("resnet34", "resnet50", "resnet101", "shufflenet_v2_x1_0", "swin_t", "vgg16", "vit_b_16"),
)
STAGES = (
    (_("Check"), _("Sums are taken; the format is found from the content, not from the name.")),
    (_("Scan"), _("What could run code, or claims more than it holds, is refused with a reason.")),
    (_("Load"), _("The weights are loaded safely into the architecture that you name.")),
    (_("Run"), _("The model runs once on a sample; its inputs and outputs are kept.")),
    (_("Serve"), _("The version is ready: try it, then give it the alias “production”.")),
)


@page("publish/", "publish")
@require_GET
def publish_page(request: HttpRequest) -> HttpResponse:
    principal = principal_of(request)
    teams = teams_where(principal, Action.PUBLISH)
    return show(
        request,
        "console/publish.html",
        [(_("Publish"), request.path)],
        teams=sorted(teams, key=lambda team: team.name != DEFAULT_TEAM),
        models=_publishable(principal),
        chosen=request.GET.get("model", "")[:100],
        earlier=_earlier(request, principal),
        first_version=semver.FIRST,
        tasks=Task.choices,
        architectures=_architectures(principal),
        interpolations=INTERPOLATIONS,
        stages=STAGES,
        texts=_texts(),
    )


def next_version(newest: str) -> str:
    """A suggestion: the next minor version."""
    return semver.following(newest or None).minor or newest


def _earlier(request: HttpRequest, principal: Principal) -> dict[str, Any]:
    """What was said of a version that is published again, such as a rejected one."""
    name, version = request.GET.get("model", ""), request.GET.get("version", "")
    versions = selectors.versions_visible(principal)
    found = versions.filter(model__name_key=name.lower(), version=version).first()
    if found is None:
        return {}
    return {
        "architecture": found.architecture,
        "num_classes": found.num_classes or "",
        "labels": "\n".join(found.labels),
        "description": found.description,
        "preprocessing": _json(found.preprocessing),
        "options": _json(found.architecture_options),
        "metrics": _json(found.metrics),
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def _publishable(principal: Principal) -> dict[str, dict[str, str]]:
    """Models that the form offers, with what it fills in for each."""
    models = [
        model
        for model in selectors.models_visible(principal)[:MOST_MODELS]
        if principal.may(Action.PUBLISH, model)
    ]
    newest = _newest(models)
    return {
        model.name: {
            "team": model.team.name,
            "task": model.task,
            "next": next_version(newest.get(model.pk, "")),
        }
        for model in models
    }


def _newest(models: list[RegisteredModel]) -> dict[int, str]:
    """The newest version of each model, by the model's id; those in the trash hold theirs."""
    rows = ModelVersion.everything.filter(model__in=models).order_by("model_id", "sort_key")
    return dict(rows.values_list("model_id", "version"))


def _architectures(principal: Principal) -> list[str]:
    """What the operator lists, what is in use, and common ones."""
    listed = {entry.partition("=")[0] for entry in settings.ENV.AIHUB_ARCHITECTURES}
    visible = selectors.versions_visible(principal).exclude(architecture="").order_by()
    used = set(visible.values_list("architecture", flat=True).distinct()[:MOST_MODELS])
    return sorted({*listed, *used, *COMMON_ARCHITECTURES})


def _texts() -> dict[str, Any]:
    """What the form's script says."""
    return {
        "publishUrl": "/api/v1/models/{name}/versions/",
        "pageUrl": unquote(reverse("admin:version", args=["{name}", "{version}"])),
        "noFile": gettext("Add at least one file."),
        "sending": gettext("Uploading: {done} of {total} · {rate}/s"),
        "checking": gettext("Uploaded. The hub is looking at it…"),
        "cancelled": gettext("Cancelled; nothing was published."),
        "unreachable": gettext("The hub cannot be reached; try again."),
        "failed": gettext("The hub answered with an error ({status})."),
        "existing": gettext("A new version of an existing model."),
        "new": gettext("A new model."),
        "remove": gettext("Remove {name}"),
    }

"""Publishing: a form whose script posts to the API, with the session for its credential."""

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery
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
from registry.models.versions import State
from registry.preprocessing import INTERPOLATIONS
from registry.processing.worker import PROCESSING
from registry.selectors.workers import stalled

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
    (_("Convert"), _("A program is converted in a sandbox: what is served is data alone.")),
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
        stalled=stalled(PROCESSING),
        texts=_texts(),
    )


def next_versions(newest: str | None) -> dict[str, str]:
    """What may come after the newest version: the next `patch`, `minor` and `major` one."""
    if newest is None:
        return {"minor": semver.FIRST}
    following = asdict(semver.following(newest))
    return {step: version for step, version in following.items() if version}


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
        "parameters": _json(found.parameters),
        "source": found.source,
        "parent": selectors.parent_of(found, principal) or "",
        "card": found.card,
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def _publishable(principal: Principal) -> dict[str, dict[str, Any]]:
    """Models that the form offers, with what it fills in for each."""
    return {
        model.name: {
            "team": model.team.name,
            "task": model.task,
            "stays": model.passed or model.newest is None,
            "next": next_versions(model.newest),
        }
        for model in _with_newest(selectors.models_visible(principal))[:MOST_MODELS]
        if principal.may(Action.PUBLISH, model)
    }


def _with_newest(models: QuerySet[RegisteredModel]) -> QuerySet[Any]:
    """Models with their `newest` version, and whether any `passed`; the trash counts too."""
    versions = ModelVersion.everything.filter(model=OuterRef("pk")).order_by("-sort_key")
    newest = Subquery(versions.values("version")[:1])
    passed = Exists(versions.exclude(state=State.REJECTED).order_by())
    return models.annotate(newest=newest, passed=passed).defer("card")


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
        "failedFile": gettext("A file did not arrive: try it again, or take it off the list."),
        "badJson": gettext("This is not a JSON object."),
        "waitingForFiles": gettext(
            "Publishing as soon as the files have arrived: {done} of {total} · {rate}/s"
        ),
        "checking": gettext("Uploaded. The hub is looking at it…"),
        "cancelled": gettext("Cancelled; nothing was published."),
        "unreachable": gettext("The hub cannot be reached; try again."),
        "failed": gettext("The hub answered with an error ({status})."),
        "existing": gettext("A new version of an existing model."),
        "new": gettext("A new model."),
        "patch": gettext("patch"),
        "minor": gettext("minor"),
        "major": gettext("major"),
        **upload_texts(),
    }


def upload_texts() -> dict[str, str]:
    """What is said of a file on its way."""
    return {
        "reading": gettext("Reading its content: {percent} %"),
        "sending": gettext("{percent} % · {done} of {total}"),
        "rate": gettext("{rate}/s"),
        "secondsLeft": gettext("{count} s left"),
        "minutesLeft": gettext("{count} min left"),
        "hoursLeft": gettext("{count} h left"),
        "waiting": gettext("{percent} % · no connection; it goes on by itself"),
        "paused": gettext("{percent} % · paused"),
        "unfinished": gettext("{percent} % arrived earlier; choose the same file to go on"),
        "done": gettext("Uploaded."),
        "known": gettext("The hub has this content already: nothing had to be sent."),
        "unreadable": gettext("It cannot be read. Publish a folder as one .zip or .tar."),
        "pause": gettext("Pause {name}"),
        "resume": gettext("Resume {name}"),
        "retry": gettext("Try {name} again"),
        "remove": gettext("Remove {name}"),
    }

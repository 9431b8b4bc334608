"""Making a batch job: a form whose script sends the input in parts and posts to the API."""

from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET

from aihub.access import Action, Principal
from inference.api.batch_serializers import INPUT_FORMATS
from inference.batch import keys
from inference.models.batch import OutputFormat, Priority
from ops.console.batch_list import crumbs_of
from ops.console.caller import principal_of, teams_where
from ops.console.pages import page, show
from ops.console.publish_page import MOST_MODELS, upload_texts
from registry import selectors
from registry.models import Team
from registry.models.registered import Task
from registry.processing.worker import BATCH
from registry.selectors.workers import stalled

DELIMITERS = ((",", ","), (";", ";"), ("\t", _("tab")), ("|", "|"))
# What a model of each task takes.
TAKES = {
    Task.IMAGE_CLASSIFICATION: _(
        "Pictures: an archive (.zip, .tar) or objects of the bucket; or a table that names them."
    ),
    Task.TEXT_CLASSIFICATION: _("Texts: a table with a column of texts, or a text a line."),
    Task.TEXT_EMBEDDING: _("Texts: a table with a column of texts, or a text a line."),
    Task.TENSOR: _("Numbers: a table with a column for each, or a list of them a line."),
}


@page("batch-jobs/new/", "batch_new")
@require_GET
def batch_new(request: HttpRequest) -> HttpResponse:
    principal = principal_of(request)
    teams = teams_where(principal, Action.READ)
    return show(
        request,
        "console/batch_new.html",
        [*crumbs_of(), (_("New batch job"), request.path)],
        models=_callable(principal),
        chosen={name: request.GET.get(name, "")[:100] for name in ("model", "version", "alias")},
        teams=teams,
        roots=_roots(principal, teams),
        input_formats=INPUT_FORMATS,
        output_formats=OutputFormat.choices,
        delimiters=DELIMITERS,
        priorities=[(choice.name.lower(), choice.label) for choice in Priority],
        person=bool(request.user.email),  # type: ignore[union-attr]
        stalled=stalled(BATCH),
        texts=_texts(),
    )


def _callable(principal: Principal) -> dict[str, dict[str, Any]]:
    """Models that the form offers: what each does, and what it takes."""
    return {
        model.name: {
            "about": f"{model.get_task_display()} · {model.team.name}",
            "takes": str(TAKES[Task(model.task)]),
        }
        for model in selectors.models_visible(principal).defer("card")[:MOST_MODELS]
        if principal.may(Action.PREDICT, model)
    }


def _roots(principal: Principal, teams: list[Team]) -> list[str]:
    """The prefixes of the bucket that a job may be made over; none named where it may be any."""
    return [] if principal.is_admin else [keys.of_team(team.name) for team in teams]


def _texts() -> dict[str, Any]:
    """What the form's script says."""
    return {
        "createUrl": "/api/v1/batch-jobs/",
        "versionsUrl": "/api/v1/models/{name}/versions/?state=ready&page_size=50",
        "aliasesUrl": "/api/v1/models/{name}/aliases/",
        "pageUrl": unquote(reverse("admin:batch_job", args=[0])).replace("0", "{id}"),
        "noModel": gettext("Choose a model."),
        "unknownModel": gettext("You may call no model of this name."),
        "noRange": gettext("Name a version or a range."),
        "noFile": gettext("Choose a file."),
        "failedFile": gettext("A file did not arrive: try it again, or take it off the list."),
        "noPrefix": gettext("Name the prefix of the objects."),
        "badJson": gettext("This is not a JSON object."),
        "waitingForFiles": gettext(
            "The job begins as soon as the file has arrived: {done} of {total} · {rate}/s"
        ),
        "creating": gettext("Uploaded. The hub makes the job…"),
        "cancelled": gettext("Cancelled; no job was made."),
        "unreachable": gettext("The hub cannot be reached; try again."),
        "failed": gettext("The hub answered with an error ({status})."),
        **upload_texts(),
    }

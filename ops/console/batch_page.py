"""One batch job: how it goes, what it put out, and what can be done with it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from inference.api.batch_serializers import BatchJobOutput
from inference.batch import services
from inference.batch.selectors import (
    job_get,
    job_preview,
    progress_of,
    stall_teller,
)
from inference.models import BatchJob
from inference.models.batch import UNFINISHED, JobState
from ops.console.batch_list import GOING, crumbs_of
from ops.console.caller import principal_of
from ops.console.looks import duration
from ops.console.pages import page, show, told
from registry import selectors

PREVIEWED = 10  # rows
BEST = 3  # classes of a previewed row
LONGEST = 300  # characters of a previewed value
ACTIONS: dict[str, tuple[Callable[..., None], Any]] = {
    "pause": (services.job_pause, _("The job is paused; what is under way is finished.")),
    "resume": (services.job_resume, _("The job goes on.")),
    "retry": (services.job_retry, _("What failed is computed again.")),
}
NEXT = {"pause": "resume", "resume": "pause", "retry": "pause"}  # what can be done then


@page("batch-jobs/<int:pk>/", "batch_job")
@require_GET
def batch_page(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    job = job_get(principal, pk)
    known = BatchJobOutput(job, context={"stalled": stall_teller()}).data
    return show(
        request,
        "console/batch.html",
        crumbs_of(job),
        title=gettext("Batch job #%(id)s") % {"id": job.pk},
        job=job,
        told=known,
        progress=progress_of(job),
        left=None if job.total is None else job.total - job.done - job.failed,
        took=_took(job),
        live=job.state in UNFINISHED,
        may=_may(principal, job),
        preview=_previewed(job),
        options={name: _json(value) for name, value in known["options"].items()},
        mapping=_mapping(known["report"]),
        variant=(job.plan.get("variant") or {}).get("name"),
        api_url=f"/api/v1/batch-jobs/{job.pk}/",
        texts=_texts(),
    )


@page("batch-jobs/<int:pk>/cancel/", "batch_cancel")
@require_http_methods(["GET", "POST"])
def batch_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    job = job_get(principal, pk, steer=True)
    if request.method == "POST":
        with told(request, gettext("The job is cancelled.")):
            services.job_cancel(job, principal=principal)
        return _steered(pk, "retry")
    crumbs = [*crumbs_of(job), (_("Cancel the job"), request.path)]
    return show(
        request,
        "console/confirm.html",
        crumbs,
        question=gettext("Cancel the job #%(job)s?") % {"job": job.pk},
        note=gettext("It stops within seconds and has no output. It can be retried afterwards."),
        verb=_("Cancel the job"),
        back=crumbs[1][1],
        back_label=_("Let it run"),
    )


@page("batch-jobs/<int:pk>/clone/", "batch_clone")
@require_POST
def batch_clone(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    job = job_get(principal, pk)
    with told(request, gettext("This is the same job once more.")):
        if job.model is not None:
            selectors.model_get(principal, job.model.name, Action.PREDICT)
        pk = services.job_clone(job, principal=principal).pk
    return redirect("admin:batch_job", pk)


@page("batch-jobs/<int:pk>/<str:action>/", "batch_act")
@require_POST
def batch_act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Pause, resume or retry."""
    principal = principal_of(request)
    if action not in ACTIONS:
        raise Problem(404, N_("There is no such page."))
    act, success = ACTIONS[action]
    job = job_get(principal, pk, steer=True)
    with told(request, str(success)):
        act(job, principal=principal)
    return _steered(pk, NEXT[action])


def _steered(pk: int, following: str) -> HttpResponse:
    """To the job's page, with the keyboard at what can be done next."""
    return redirect(f"{reverse('admin:batch_job', args=[pk])}#job-{following}")


def _may(principal: Principal, job: BatchJob) -> set[str]:
    """What a user may do with it now."""
    again = job.has_input
    may = set()
    ended = job.state not in UNFINISHED
    if ended and again and job.model is not None and principal.may(Action.PREDICT, job.model):
        may.add("clone")
    if not services.may_steer(principal, job):
        return may
    if not ended:
        may.add("cancel")
        may.add("pause" if job.state in GOING else "resume")
    elif again and job.version_id and (job.failed or job.state != JobState.SUCCEEDED):
        may.add("retry")
    return may


def _took(job: BatchJob) -> str:
    """From the first row to the end: 4.2 s, 1:02:03; empty before that."""
    if job.started_at is None or job.finished_at is None:
        return ""
    seconds = (job.finished_at - job.started_at).total_seconds()
    return duration(int(seconds * 1000)) if seconds < 60 else str(timedelta(seconds=int(seconds)))


def _mapping(report: dict[str, Any] | None) -> dict[str, str]:
    """The columns of each input, in words."""
    return {name: ", ".join(columns) for name, columns in (report or {}).get("inputs", {}).items()}


def _previewed(job: BatchJob) -> list[dict[str, Any]]:
    """The first rows of the output, each with `best` classes or its predictions as `text`."""
    rows = job_preview(job, PREVIEWED) or []
    return [{**row, **_prediction(row["predictions"])} for row in rows]


def _prediction(value: Any) -> dict[str, Any]:
    if isinstance(value, list) and value and all(_is_class(item) for item in value):
        return {"best": value[:BEST]}
    text = "" if value is None else _json(value)
    return {"text": text if len(text) <= LONGEST else f"{text[:LONGEST]}…"}


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is_class(item: Any) -> bool:
    return isinstance(item, dict) and item.keys() == {"label", "score"}


def _texts() -> dict[str, str]:
    """What the page's script says."""
    return {
        "secondsLeft": gettext("{count} s left"),
        "minutesLeft": gettext("{count} min left"),
        "hoursLeft": gettext("{count} h left"),
        "percentDone": gettext("Progress: {percent}%"),
    }

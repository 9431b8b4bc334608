"""One schedule: what it runs, when, with whose rights, its jobs, and what can be done with it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aihub.access import Action
from aihub.problems import Problem
from inference.api.schedule_serializers import standing_of
from inference.batch import schedules
from inference.batch.schedule_selectors import schedule_get
from inference.batch.schedules import Standing
from inference.batch.selectors import LARGE
from inference.batch.services import may_steer
from inference.models import BatchSchedule
from ops.console.caller import principal_of, teams_where
from ops.console.pages import page, show, told
from ops.console.schedule_forms import ScheduleForm
from ops.console.schedule_list import crumbs_of
from ops.console.schedule_words import (
    cron_words,
    job_link,
    outcome_badge,
    runs_next,
    schedule_badge,
)
from registry.selectors import models_visible

JOBS_SHOWN = 20
RUNS_SHOWN = 5
SUGGESTED = 500  # models


@page("batch-schedules/<int:pk>/", "schedule")
@require_GET
def schedule_page(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    schedule = schedule_get(principal, pk)
    jobs = schedule.jobs.defer(*LARGE).order_by("-pk")[:JOBS_SHOWN]
    return show(
        request,
        "console/schedule.html",
        crumbs_of(schedule),
        schedule=schedule,
        badge=schedule_badge(schedule),
        outcome=outcome_badge(schedule),
        words=cron_words(schedule.cron),
        runs=list(runs_next(schedule, RUNS_SHOWN)) if schedule.active else [],
        jobs=[(job, job_link(job.pk)) for job in jobs],
        steers=may_steer(principal, schedule),
        asked=schedule.alias or schedule.version,
    )


@page("batch-schedules/new/", "schedule_new")
@require_http_methods(["GET", "POST"])
def schedule_new(request: HttpRequest) -> HttpResponse:
    def save(standing: Standing) -> BatchSchedule:
        return schedules.schedule_create(principal=principal_of(request), standing=standing)

    crumbs = [*crumbs_of(), (_("New schedule"), request.path)]
    return _filled_in(request, None, save, crumbs, gettext("The schedule is made."))


@page("batch-schedules/<int:pk>/edit/", "schedule_edit")
@require_http_methods(["GET", "POST"])
def schedule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    principal = principal_of(request)
    schedule = schedule_get(principal, pk, steer=True)

    def save(standing: Standing) -> BatchSchedule:
        return schedules.schedule_update(schedule, principal=principal, standing=standing)

    crumbs = [*crumbs_of(schedule), (_("Edit"), request.path)]
    return _filled_in(request, schedule, save, crumbs, gettext("Saved."))


@page("batch-schedules/<int:pk>/run/", "schedule_run")
@require_POST
def schedule_run(request: HttpRequest, pk: int) -> HttpResponse:
    schedule = schedule_get(principal_of(request), pk, steer=True)
    with told(request, gettext("Its job is made.")):
        schedules.schedule_run(schedule, principal=principal_of(request))
    return redirect("admin:schedule", pk)


@page("batch-schedules/<int:pk>/on/", "schedule_on")
@require_POST
def schedule_on(request: HttpRequest, pk: int) -> HttpResponse:
    said = gettext("“%(name)s” is on, and runs when it is due next.")
    return _switched(request, pk, active=True, said=said)


@page("batch-schedules/<int:pk>/off/", "schedule_off")
@require_POST
def schedule_off(request: HttpRequest, pk: int) -> HttpResponse:
    said = gettext("“%(name)s” is off; jobs that it made go on.")
    return _switched(request, pk, active=False, said=said)


@page("batch-schedules/<int:pk>/delete/", "schedule_delete")
@require_http_methods(["GET", "POST"])
def schedule_deleted(request: HttpRequest, pk: int) -> HttpResponse:
    schedule = schedule_get(principal_of(request), pk, steer=True)
    named = {"name": schedule.name}
    if request.method == "POST":
        with told(request, gettext("“%(name)s” was deleted.") % named):
            schedules.schedule_delete(schedule, principal=principal_of(request))
        return redirect("admin:inference_batchschedule_changelist")
    return show(
        request,
        "console/confirm.html",
        [*crumbs_of(schedule), (_("Delete"), request.path)],
        question=gettext("Delete the schedule “%(name)s”?") % named,
        note=gettext("The jobs that it made stay. This cannot be undone."),
        verb=_("Delete"),
        back=reverse("admin:schedule", args=[pk]),
    )


def _switched(request: HttpRequest, pk: int, *, active: bool, said: str) -> HttpResponse:
    schedule = schedule_get(principal_of(request), pk, steer=True)
    with told(request, said % {"name": schedule.name}):
        schedules.schedule_switch(schedule, principal=principal_of(request), active=active)
    if "list" in request.POST:  # the query of the list, which is shown again as it was
        query = QueryDict(request.POST["list"]).urlencode()
        listed = reverse("admin:inference_batchschedule_changelist")
        return redirect(f"{listed}{query and '?'}{query}#switch-{pk}")
    return redirect(f"{reverse('admin:schedule', args=[pk])}#turn-{'off' if active else 'on'}")


def _filled_in(
    request: HttpRequest,
    schedule: BatchSchedule | None,
    save: Callable[[Standing], BatchSchedule],
    crumbs: Any,
    said: str,
) -> HttpResponse:
    """The form, and what it says saved: then the schedule's page."""
    form = _form(request, schedule)
    if form.is_valid():
        try:
            saved = save(standing_of(principal_of(request), form.said))
        except Problem as problem:
            form.tell(problem)
        else:
            with told(request, said):
                return redirect("admin:schedule", saved.pk)
    verb = _("Save") if schedule else _("Make the schedule")
    return show(request, "console/form.html", crumbs, form=form, verb=verb, back=crumbs[-2][1])


def _form(request: HttpRequest, schedule: BatchSchedule | None) -> ScheduleForm:
    principal = principal_of(request)
    models = models_visible(principal).order_by("name_key").values_list("name", flat=True)
    teams = {team.name for team in teams_where(principal, Action.READ)}
    if schedule:
        teams.add(schedule.team.name)
    return ScheduleForm(
        request.POST or None,
        models=list(models[:SUGGESTED]),
        teams=sorted(teams),
        schedule=schedule,
    )

"""Writes: schedules of batch jobs are made, changed and switched, and make jobs when due.

A schedule runs with the rights that its owner has at that time; its owner is who last said what it
runs, so that nobody has another's rights at work for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from aihub.access import Action, Principal
from aihub.db import retry_deadlocks
from aihub.events import SYSTEM, Event, emit
from aihub.problems import N_, Problem
from inference.batch import beat
from inference.batch.cron import cron_check, cron_parse
from inference.batch.owners import owner_find
from inference.batch.services import Order, job_create, order_settle
from inference.models import BatchJob, BatchSchedule
from inference.models.batch import UNFINISHED
from inference.models.schedules import Outcome, Overlap
from registry.selectors import model_get

MOST = 200  # of one team
LATE = timedelta(minutes=1)  # after which a run that is due is asked for again


@dataclass(frozen=True)
class Standing:
    """What is asked for again and again: an order over a prefix, and when."""

    name: str
    cron: str
    timezone: str
    order: Order
    overlap: str = Overlap.SKIP
    active: bool = True


@retry_deadlocks
def schedule_create(*, principal: Principal, standing: Standing) -> BatchSchedule:
    """Make a schedule, where its job could be made now. Problem 400, 403, 404 or 409."""
    schedule = BatchSchedule()
    _write(schedule, principal, standing)
    with transaction.atomic():
        if BatchSchedule.objects.filter(team=schedule.team).count() >= MOST:
            raise Problem(409, N_("A team has at most %(most)s schedules."), most=MOST)
        _begin(schedule)
        beat.beat_add(schedule)
        _tell(schedule, "batch.schedule_created", principal)
    return schedule


@retry_deadlocks
def schedule_update(
    schedule: BatchSchedule, *, principal: Principal, standing: Standing
) -> BatchSchedule:
    """Change what it runs and when; who does so owns it from then on. Problems as for making."""
    with transaction.atomic():
        locked = _locked(schedule)
        before = _times(locked)
        _write(locked, principal, standing)
        if _times(locked) != before:
            _begin(locked)
            beat.beat_follow(locked)
        locked.save()
        _tell(locked, "batch.schedule_updated", principal)
    return locked


@retry_deadlocks
def schedule_switch(
    schedule: BatchSchedule, *, principal: Principal, active: bool
) -> BatchSchedule:
    """Turn it on, from its next time on, or off; its owner stays."""
    with transaction.atomic():
        locked = _locked(schedule)
        if locked.active != active:
            locked.active = active
            _begin(locked)
            beat.beat_follow(locked)
            locked.save()
            event = "batch.schedule_enabled" if active else "batch.schedule_disabled"
            _tell(locked, event, principal)
    return locked


def schedule_delete(schedule: BatchSchedule, *, principal: Principal) -> None:
    """Remove it; the jobs that it made stay."""
    with transaction.atomic():
        locked = _locked(schedule)
        _tell(locked, "batch.schedule_deleted", principal)
        beat.beat_remove(locked)


@retry_deadlocks
def schedule_run(schedule: BatchSchedule, *, principal: Principal) -> BatchJob:
    """Make its job now, beside its times, with its owner's rights. Problem 409 while one runs."""
    with transaction.atomic():
        locked = _locked(schedule)
        if job := _job_before(locked):
            raise Problem(409, _UNFINISHED, job=job.pk)
        made = _job_make(locked, "")
        _note(locked, Outcome.MADE, made)
        locked.save()
        _tell(locked, "batch.schedule_run", principal, job=made.pk)
    return made


@retry_deadlocks
def schedule_fire(pk: int) -> BatchJob | None:
    """Make the job of the latest run that is due, once however often it is asked for.

    None where nothing is due, where the run before is not over, or where its owner may not do it
    any more; the schedule says which. Runs that were missed before the latest are not made up for.
    """
    now = timezone.now()
    with transaction.atomic():
        schedule = BatchSchedule.objects.select_for_update().filter(pk=pk, active=True).first()
        if schedule is None:
            return None
        cron = cron_parse(schedule.cron, schedule.timezone)
        due, job = cron.last(now), None
        if due and due > schedule.settled_at:
            job = _run_due(schedule, due)
            schedule.settled_at = due
        schedule.next_run_at = cron.next(now)
        schedule.save()
    return job


def schedules_remind() -> None:
    """Ask once more for what is late: beat was away, the broker was, or the message was lost."""
    from inference.tasks import schedule_hint

    # `active=True` alone would use no index of SQLite's.
    late = BatchSchedule.objects.filter(active__in=[True], next_run_at__lt=timezone.now() - LATE)
    for pk in late.values_list("pk", flat=True):
        schedule_hint(pk)


_UNFINISHED = N_("Its job %(job)s is not over yet.")


def _write(schedule: BatchSchedule, principal: Principal, standing: Standing) -> None:
    """Set what is asked, where the principal could ask for it now."""
    order = standing.order
    cron_check(standing.cron, standing.timezone)
    settled = order_settle(principal, order)
    schedule.name, schedule.team = standing.name, settled.team
    schedule.model, schedule.model_name = order.model, order.model.name
    schedule.version, schedule.alias = order.version or "", order.alias or ""
    schedule.prefix, schedule.output_format = order.prefix, order.output_format
    schedule.options, schedule.priority = dict(order.options), order.priority
    schedule.cron, schedule.timezone = " ".join(standing.cron.split()), standing.timezone
    schedule.overlap, schedule.active = standing.overlap, standing.active
    if schedule.owner != principal.id:
        schedule.owner, schedule.person = principal.id, principal.person
        schedule.created_by = principal.name


def _times(schedule: BatchSchedule) -> tuple[str, str, bool]:
    return schedule.cron, schedule.timezone, schedule.active


def _begin(schedule: BatchSchedule) -> None:
    """Nothing before this moment is due."""
    now = timezone.now()
    schedule.settled_at = now
    cron = cron_parse(schedule.cron, schedule.timezone)
    schedule.next_run_at = cron.next(now) if schedule.active else None


def _run_due(schedule: BatchSchedule, due: datetime) -> BatchJob | None:
    """One run, and how it went."""
    try:
        if before := _job_before(schedule):
            _missed(schedule, Outcome.SKIPPED, due, _UNFINISHED, {"job": before.pk})
            return None
        with transaction.atomic():
            job = _job_make(schedule, f"schedule:{schedule.pk}:{due:%Y-%m-%dT%H:%MZ}")
    except Problem as problem:
        _missed(schedule, Outcome.FAILED, due, problem.message, problem.values)
        return None
    _note(schedule, Outcome.MADE, job)
    return job


def _job_before(schedule: BatchSchedule) -> BatchJob | None:
    """A job of its that is not over, where that is in the way."""
    if schedule.overlap == Overlap.ALLOW:
        return None
    return schedule.jobs.filter(state__in=UNFINISHED).first()


def _job_make(schedule: BatchSchedule, key: str) -> BatchJob:
    """Its job, with what its owner may do now; Problem where that is not enough any more."""
    owner = owner_find(schedule.owner)
    if owner is None:
        message = N_("“%(owner)s”, with whose rights it runs, may not use the hub any more.")
        raise Problem(403, message, owner=schedule.created_by)
    if schedule.model is None:
        raise Problem(409, N_("The model of this schedule is gone."))
    if not owner.may(Action.PREDICT, schedule.model):
        message = N_("“%(owner)s”, with whose rights it runs, may not call “%(model)s” any more.")
        raise Problem(403, message, owner=schedule.created_by, model=schedule.model_name)
    return job_create(principal=owner, order=_order(schedule, owner, key))


def _order(schedule: BatchSchedule, owner: Principal, key: str) -> Order:
    return Order(
        model=model_get(owner, schedule.model_name, Action.PREDICT),
        version=schedule.version or None,
        alias=schedule.alias or None,
        prefix=schedule.prefix,
        team=schedule.team,
        output_format=schedule.output_format,
        priority=schedule.priority,
        options=schedule.options,
        idempotency_key=key,
        fingerprint=f"schedule:{schedule.pk}",
        schedule=schedule,
    )


def _missed(
    schedule: BatchSchedule,
    outcome: Outcome,
    due: datetime,
    message: str,
    values: Mapping[str, Any],
) -> None:
    """Note and tell that a run made no job."""
    plain = {n: v if isinstance(v, int | float) else str(v) for n, v in values.items()}
    _note(schedule, outcome, None, message, plain)
    reason = message % plain if plain else message
    event = f"batch.schedule_{outcome.value}"
    _tell(schedule, event, SYSTEM, due=due.isoformat(), reason=reason)


def _note(
    schedule: BatchSchedule,
    outcome: Outcome,
    job: BatchJob | None,
    message: str = "",
    values: Mapping[str, Any] | None = None,
) -> None:
    schedule.last_run_at, schedule.last_outcome = timezone.now(), outcome
    schedule.last_job = job or schedule.last_job
    schedule.error_message, schedule.error_values = message, dict(values or {})


def _locked(schedule: BatchSchedule) -> BatchSchedule:
    found = BatchSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
    if found is None:
        raise Problem(404, N_("There is no schedule %(schedule)s."), schedule=schedule.pk)
    return found


def _tell(schedule: BatchSchedule, event: str, actor: Principal, **more: Any) -> None:
    data = {
        "name": schedule.name,
        "model": schedule.model_name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "creator": schedule.person,
        "notify": schedule.options.get("notify", True),
        **more,
    }
    emit(Event(event, str(schedule.pk), actor, team_id=schedule.team_id, data=data))

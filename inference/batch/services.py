"""Writes: a batch job is made, and steered while it runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from aihub import request_context, tracing
from aihub.access import Action, Principal
from aihub.db import retry_deadlocks
from aihub.metrics import Limited
from aihub.problems import N_, Problem
from inference.batch import ends, keys
from inference.models import BatchChunk, BatchJob, BatchSchedule
from inference.models.batch import UNFINISHED, JobState, Priority
from inference.routes import route_load
from registry.models import ModelVersion, RegisteredModel, Team, Upload, VersionFile
from registry.processing import jobs
from registry.processing.worker import BATCH
from registry.services.locks import lock_model
from registry.services.owning import BY_VERSION, is_owned
from registry.tasks import hint

NO_MEMBER = N_("You are no member of the team “%(team)s”.")
MAX_KEY = 200  # characters of an idempotency key


@dataclass(frozen=True)
class Order:
    """What a caller asks for. The input is an upload of theirs, or a prefix of the bucket."""

    model: RegisteredModel
    version: str | None = None  # a number or a range
    alias: str | None = None
    upload: Upload | None = None
    prefix: str = ""
    team: Team | None = None
    output_format: str = "jsonl"
    priority: int = Priority.NORMAL
    options: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str = ""
    fingerprint: str = ""
    cloned_from: BatchJob | None = None
    schedule: BatchSchedule | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What an order comes to: the version that answers at this moment, the team for whom it runs,
    and the prefixes under which it may read objects."""

    version: ModelVersion
    team: Team
    roots: list[str]


@retry_deadlocks
def job_create(*, principal: Principal, order: Order) -> BatchJob:
    """Make a job that waits to be planned; its version is the one that answers at this moment.

    The same idempotency key answers the job that it made before. Problem 403, 404, 409 or 429.
    """
    if before := job_made_before(principal, order.idempotency_key, order.fingerprint):
        return before
    with transaction.atomic():
        # Whoever deletes the model, or a version of it, does so before or after.
        lock_model(order.model.pk)
        settled = order_settle(principal, order)
        _check_quota(principal, settled.team)
        if order.upload:
            _hold(order.upload)
        job = _job(principal, order, settled)
        try:
            with transaction.atomic():
                job.save(force_insert=True)
        except IntegrityError:
            job = job_made_before(principal, order.idempotency_key, order.fingerprint) or job
            if job.pk is None:
                raise
            return job
        jobs.enqueue(ends.PLANNING, job.pk, priority=order.priority)
        ends.job_tell(job, "batch.created", principal, input=job.input_name)
        transaction.on_commit(partial(hint, BATCH))
    return job


def order_settle(principal: Principal, order: Order) -> Settled:
    """What an order would come to; Problem 403 or 404 where that may not be, or is not there."""
    version = _version_of(order)
    team = _team_of(principal, order)
    roots = _roots_of(principal, team)
    _check_prefix(principal, order.prefix, roots)
    return Settled(version, team, roots)


def job_made_before(principal: Principal, key: str, fingerprint: str) -> BatchJob | None:
    """The job that an idempotency key made; Problem 409 where something else is asked now."""
    if not key:
        return None
    found = BatchJob.objects.filter(owner=principal.id, idempotency_key=_sum(key)).first()
    if found and found.fingerprint != fingerprint:
        raise Problem(
            409, N_("This idempotency key belongs to another job, %(job)s."), job=found.pk
        )
    return found


def _sum(key: str) -> str:
    """What is kept of a key: some databases take letters of another case, or accents, for equal."""
    return hashlib.sha256(key.encode()).hexdigest()


def _asked(order: Order) -> dict[str, str]:
    """By what its version was asked, so that it can be asked again."""
    asked = {"version": order.version, "alias": order.alias}
    return {name: text for name, text in asked.items() if text}


def _version_of(order: Order) -> ModelVersion:
    route = route_load(order.model)
    found = route.resolve(order.version, order.alias)
    version = ModelVersion.objects.filter(pk=found.id).first()
    if version is None:
        raise Problem(404, N_("The version was deleted meanwhile."))
    return version


def _team_of(principal: Principal, order: Order) -> Team:
    """For whom it runs: the team named, else the model's if the caller is in it, else theirs."""
    if order.team:
        if not principal.is_admin and order.team.pk not in principal.roles:
            raise Problem(403, NO_MEMBER, team=order.team.name)
        return order.team
    own = order.model.team
    if principal.is_admin or own.pk in principal.roles or not principal.roles:
        return own
    return Team.objects.get(pk=min(principal.roles))


def _roots_of(principal: Principal, team: Team) -> list[str]:
    """The prefixes under which the job may read objects: its team's, for administrators all."""
    if principal.is_admin and principal.scope is None:
        return [""]
    return [keys.of_team(team.name)] if team.pk in principal.roles else []


def _check_prefix(principal: Principal, prefix: str, roots: list[str]) -> None:
    """Nobody reads what the hub keeps for itself, and teams read their own."""
    if not prefix:
        return
    if not keys.is_plain(prefix.removesuffix("/")):
        raise Problem(
            400,
            N_("“%(prefix)s” is no prefix; one looks like “inputs/team/folder/”."),
            prefix=prefix,
        )
    if prefix.startswith(keys.RESERVED) or any(p.startswith(prefix) for p in keys.RESERVED):
        raise Problem(403, N_("“%(prefix)s” is the hub's own."), prefix=prefix)
    if not keys.is_within(prefix, roots):
        raise Problem(
            403,
            N_("You may read objects under %(roots)s, not under “%(prefix)s”."),
            roots=", ".join(f"“{root}”" for root in roots) or "-",
            prefix=prefix,
        )


def _hold(upload: Upload) -> None:
    """Keep an upload from being swept until the job that has it is there; Problem 409.

    One that has expired is being removed, unless another job has it too.
    """
    found = Upload.objects.select_for_update().filter(pk=upload.pk).first()
    if found is None or (found.expires_at <= timezone.now() and not is_owned(found)):
        raise Problem(409, N_("The upload %(upload)s has expired."), upload=str(upload.pk))
    if found.state != Upload.States.COMPLETE:
        raise Problem(409, N_("The upload %(upload)s is not complete."), upload=str(upload.pk))
    if VersionFile.objects.filter(upload=found).exists():
        raise Problem(409, BY_VERSION, upload=str(upload.pk))


def _check_quota(principal: Principal, team: Team) -> None:
    """Problem 429 where the team has too many unfinished jobs; administrators may always."""
    most = settings.ENV.AIHUB_BATCH_JOBS
    if principal.is_admin:
        return
    Team.objects.select_for_update().get(pk=team.pk)
    if BatchJob.objects.filter(team=team, state__in=UNFINISHED).count() >= most:
        raise Limited(
            "batch_jobs",
            429,
            N_("The team “%(team)s” has %(most)s unfinished batch jobs, and may have no more."),
            team=team.name,
            most=most,
            headers={"Retry-After": "60"},
        )


def _job(principal: Principal, order: Order, settled: Settled) -> BatchJob:
    upload = order.upload
    return BatchJob(
        team=settled.team,
        model=order.model,
        version=settled.version,
        model_name=order.model.name,
        version_name=settled.version.version,
        priority=order.priority,
        upload=upload,
        prefix=order.prefix,
        input_name=upload.filename if upload else order.prefix,
        input_size=upload.size if upload else None,
        traceparent=tracing.traceparent(),
        output_format=order.output_format,
        options={**order.options, "roots": settled.roots, "asked": _asked(order)},
        owner=principal.id,
        created_by=principal.name,
        person=principal.person,
        idempotency_key=_sum(order.idempotency_key) if order.idempotency_key else None,
        fingerprint=order.fingerprint,
        cloned_from=order.cloned_from,
        schedule=order.schedule,
        request_id=request_context.kept_id(),
        expires_at=_expiry(),
    )


def job_clone(job: BatchJob, *, principal: Principal, key: str = "") -> BatchJob:
    """The same job once more, with the version that answers now where an alias or range led there.

    Problem 409 where its input or its model is gone.
    """
    if job.model is None or not job.has_input:
        raise Problem(409, N_("The input or the model of this job is gone."))
    options = {**job.options}
    asked = options.pop("asked", {})
    options.pop("roots", None)
    order = Order(
        model=job.model,
        upload=job.upload,
        prefix=job.prefix,
        team=job.team if job.team_id in principal.roles or principal.is_admin else None,
        output_format=job.output_format,
        priority=job.priority,
        options=options,
        idempotency_key=key,
        fingerprint=f"clone:{job.pk}",
        cloned_from=job,
        **asked,
    )
    return job_create(principal=principal, order=order)


@retry_deadlocks
def job_cancel(job: BatchJob, *, principal: Principal) -> None:
    """Stop it for good; what is under way is left within seconds. Problem 409 once it is over."""
    with transaction.atomic():
        locked = _locked(job, UNFINISHED, N_("The job is %(state)s; there is nothing to cancel."))
        ends.job_end(locked, JobState.CANCELLED, principal)


@retry_deadlocks
def job_pause(job: BatchJob, *, principal: Principal) -> None:
    """Take no more chunks; those under way are finished. Problem 409 unless it waits or runs."""
    with transaction.atomic():
        states = (JobState.QUEUED, JobState.RUNNING)
        locked = _locked(job, states, N_("The job is %(state)s; it cannot be paused."))
        locked.state = JobState.PAUSED
        locked.save(update_fields=["state"])
        ends.job_tell(locked, "batch.paused", principal)


@retry_deadlocks
def job_resume(job: BatchJob, *, principal: Principal) -> None:
    """Go on with a paused job. Problem 409 for any other, 403 as for a retry."""
    with transaction.atomic():
        locked = _locked(job, (JobState.PAUSED,), N_("The job is %(state)s, not paused."))
        _check_right(principal, locked)
        _run_again(locked)
        ends.job_tell(locked, "batch.resumed", principal)


@retry_deadlocks
def job_retry(job: BatchJob, *, principal: Principal) -> None:
    """Compute what failed, and what was never computed; rows that went well stay as they are.

    Problem 409 while it runs, where nothing failed, or where its input is gone; 403 for who may no
    longer do what it does.
    """
    with transaction.atomic():
        states = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
        locked = _locked(job, states, N_("The job is %(state)s; it can be retried once it ended."))
        _check_right(principal, locked)
        _check_retry(locked)
        failed = BatchChunk.objects.filter(job=locked, state=BatchChunk.States.DONE, failed__gt=0)
        waiting = BatchChunk.objects.filter(job=locked, state=BatchChunk.States.WAITING)
        waiting.update(attempts=0, not_before=timezone.now())
        again = failed.update(
            state=BatchChunk.States.WAITING, redo=True, attempts=0, not_before=timezone.now()
        )
        locked.chunks_done -= again
        locked.errors = []
        locked.reason_message, locked.reason_values, locked.finished_at = "", {}, None
        locked.request_id = request_context.kept_id()
        _run_again(locked)
        if not locked.planned:
            ends.enqueue_again(ends.PLANNING, locked.pk)
        ends.job_settle(locked)
        ends.job_tell(locked, "batch.retried", principal)


def _check_right(principal: Principal, job: BatchJob) -> None:
    """Who has a job go on may call its model, and is still in the team whose folder it reads."""
    own = _roots_of(principal, job.team)
    if any(root and not keys.is_within(root, own) for root in job.options["roots"]):
        raise Problem(403, NO_MEMBER, team=job.team.name)
    if job.model is not None and not principal.may(Action.PREDICT, job.model):
        raise Problem(403, N_("You may not call the model “%(model)s”."), model=job.model_name)


def _check_retry(job: BatchJob) -> None:
    if not (job.has_input and _version_stays(job)):
        raise Problem(409, N_("The input or the version of this job is gone."))
    if job.state == JobState.SUCCEEDED and not job.failed:
        raise Problem(409, N_("No row of this job failed."))


def _version_stays(job: BatchJob) -> bool:
    """Whether a job's version is not deleted, nor in the trash, until the transaction ends."""
    if job.model_id is None or job.version_id is None:
        return False
    model = RegisteredModel.objects.select_for_update().filter(pk=job.model_id).first()
    return model is not None and ModelVersion.objects.filter(pk=job.version_id).exists()


def _run_again(job: BatchJob) -> None:
    now = timezone.now()
    job.state = JobState.RUNNING if job.started_at else JobState.QUEUED
    job.paced_at, job.paced_rows, job.progress_at = now, job.done + job.failed, now
    job.stalled_at = None
    job.expires_at = _expiry()
    job.traceparent = tracing.traceparent()
    job.save()
    transaction.on_commit(partial(hint, BATCH))


def _expiry() -> datetime:
    days: int = settings.ENV.AIHUB_BATCH_DAYS
    return timezone.now() + timedelta(days=days)


def _locked(job: BatchJob, states: tuple[JobState, ...], otherwise: str) -> BatchJob:
    found = ends.job_lock(job.pk)
    if found.state not in states:
        raise Problem(409, otherwise, state=found.get_state_display())
    return found


def may_steer(principal: Principal, job: BatchJob | BatchSchedule) -> bool:
    """Whether a caller may steer a job, or a schedule: who made it, and who publishes."""
    return principal.id == job.owner or principal.may_in_team(Action.PUBLISH, job.team_id)

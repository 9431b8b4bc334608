"""A year of batch jobs, schedules and webhooks beside the models of `bench.registry_rows`.

Of every thousand models: 20,000 jobs in every state with 300,000 chunks, of which 200 jobs still
have 1,000 to do, 300 schedules, 100 webhooks with 100,000 deliveries, and the job table's rows of
all that. They are the same in every run. Django must have been set up.
"""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from aihub.events import SYSTEM
from bench.registry_rows import make
from inference.batch import beat, keys
from inference.models import BatchChunk, BatchJob, BatchSchedule
from inference.models.batch import FINISHED, JobState
from ops.models import Delivery, Webhook
from ops.notifications.webhooks import webhook_create
from registry.models import Job, ModelVersion, Team

JOBS, CHUNKED, KEPT = 20_000, 1_000, 100  # chunks of jobs that failed in part: 100 each
UNFINISHED, WAITING = 200, 1_000  # jobs, and chunks of each
SCHEDULES, WEBHOOKS, DELIVERIES = 300, 100, 100_000
BUSY_SHARE = 0.2  # of all deliveries, for the first webhook
YEAR = timedelta(days=365)
REPORT = {
    "form": "csv",
    "columns": [{"name": f"column {n}", "kind": "number"} for n in range(40)],
    "inputs": {"x": [f"column {n}" for n in range(40)]},
    "key": "",
    "rows": 100,
    "failed": 0,
    "errors": [],
}
EVENTS = ["version.ready", "version.rejected", "alias.moved", "batch.succeeded", "batch.failed"]


def fill(scale: float) -> None:
    """`scale` 1 is a year of an enterprise; the registry must have been filled before."""
    dice, now = random.Random(11), timezone.now()
    teams = list(Team.objects.order_by("pk"))
    versions = _versions()
    count = round(JOBS * scale)
    ahead = max(1, round(UNFINISHED * scale))
    with transaction.atomic():
        schedules = [_schedule(n, versions, dice) for n in range(round(SCHEDULES * scale))]
    jobs = make(_job(n, count, ahead, versions, schedules, dice, now) for n in range(count))
    make(chunk for job in jobs for chunk in _chunks(job, now))
    make(_done(kind, job.pk, now) for job in jobs for kind in ("batch-plan", "batch-finish"))
    make(_done("process", pk, now) for pk in ModelVersion.objects.values_list("pk", flat=True))
    hooks = [_webhook(n, teams) for n in range(max(2, round(WEBHOOKS * scale)))]
    make(_delivery(hooks, dice, now) for _ in range(round(DELIVERIES * scale)))


def _versions() -> list[ModelVersion]:
    """One of each model."""
    found = ModelVersion.objects.filter(version="1.5.5").select_related("model__team")
    return list(found.order_by("pk"))


def _schedule(number: int, versions: list[ModelVersion], dice: random.Random) -> BatchSchedule:
    version = dice.choice(versions)
    schedule = BatchSchedule(
        name=f"nightly {number}",
        team=version.model.team,
        model=version.model,
        model_name=version.model.name,
        alias="production",
        prefix=f"{keys.of_team(version.model.team.name)}nightly-{number}/",
        cron=f"{dice.randrange(60)} {dice.randrange(24)} * * *",
        active=number % 10 > 0,
        settled_at=timezone.now(),
        next_run_at=timezone.now() + timedelta(minutes=dice.randrange(1440)),
        owner="user:0",
        created_by="somebody",
    )
    beat.beat_add(schedule)
    return schedule


def _job(
    number: int,
    count: int,
    ahead: int,
    versions: list[ModelVersion],
    schedules: list[BatchSchedule],
    dice: random.Random,
    now: datetime,
) -> BatchJob:
    """One of a year's; the last `ahead` are not over."""
    version, team = versions[number % len(versions)], versions[number % len(versions)].model.team
    state = _state(number, count, ahead)
    over = state in FINISHED
    at = now - YEAR * (1 - number / count)
    gone = over and at < now - timedelta(days=30)
    chunks = WAITING if not over else CHUNKED
    failed = 3 if over and number % 7 == 0 else 0
    schedule = dice.choice(schedules) if number % 3 == 0 else None
    return BatchJob(
        team=team,
        model=version.model,
        version=version,
        model_name=version.model.name,
        version_name=version.version,
        state=state,
        priority=dice.choice((-1, 0, 0, 0, 1)),
        prefix=f"{keys.of_team(team.name)}batch-{number}/",
        input_name=f"{dice.choice(('photos', 'prices', 'letters'))}-{number}.csv",
        input_size=dice.randrange(10**9),
        options={"roots": [keys.of_team(team.name)]},
        plan={"labels": [f"class {label}" for label in range(200)]},
        report=REPORT,
        total=chunks * 1000,
        done=chunks * 1000 - failed if over else 0,
        failed=failed,
        chunks=chunks,
        chunks_done=chunks if state == JobState.SUCCEEDED else 0,
        planned=True,
        reason_message="The input is broken." if state == JobState.FAILED else "",
        errors=[[str(row), "A value is no number."] for row in range(failed)],
        owner="user:2" if number % 5 == 0 else "user:0",
        created_by="developer" if number % 5 == 0 else "somebody",
        schedule=schedule,
        started_at=at,
        finished_at=at + timedelta(minutes=9) if over else None,
        progress_at=at if over else now,
        served_at=at,
        stalled_at=None if over or number % 2 else now,
        expires_at=None if gone else at + timedelta(days=30),
        cleared=gone,
    )


def _state(number: int, count: int, ahead: int) -> JobState:
    if number >= count - ahead:
        return JobState.RUNNING
    if number % 23 == 0:
        return JobState.CANCELLED
    return JobState.FAILED if number % 11 == 0 else JobState.SUCCEEDED


def _chunks(job: BatchJob, now: datetime) -> Iterator[BatchChunk]:
    """What is to do of a job, or is kept because a row of it could be retried."""
    whole = job.state == JobState.SUCCEEDED and not job.failed
    if whole or job.cleared:
        return
    waits = job.state == JobState.RUNNING
    for number in range(WAITING if waits else KEPT):
        yield BatchChunk(
            job=job,
            number=number,
            first=number * 1000,
            rows=1000,
            kind="window",
            where={"file": job.input_name, "from": number * 100_000, "size": 100_000},
            state="waiting" if waits else "done",
            not_before=now,
            part={} if waits else {"rows": 1000, "size": 80_000, "sha256": "0" * 64},
        )


def _done(kind: str, subject: int, now: datetime) -> Job:
    return Job(
        kind=kind, subject_id=subject, state=Job.States.SUCCEEDED, not_before=now, finished_at=now
    )


def _webhook(number: int, teams: list[Team]) -> Webhook:
    team, url = teams[number % len(teams)], f"http://93.184.216.34/hooks/{number}"
    made = webhook_create(
        principal=SYSTEM, team=team, name=f"chat {number}", url=url, events=EVENTS
    )
    return made[0]


def _delivery(hooks: list[Webhook], dice: random.Random, now: datetime) -> Delivery:
    """One of the last thirty days, delivered but for a few."""
    busy = dice.random() < BUSY_SHARE
    at = now - timedelta(days=30) * dice.random()
    failed = dice.random() < 0.03
    event = dice.choice(EVENTS)
    fields: dict[str, Any] = {
        "state": Delivery.States.FAILED if failed else Delivery.States.SUCCEEDED,
        "status": 500 if failed else 204,
        "error": Delivery.Errors.STATUS if failed else "",
        "response": "x" * 200,
    }
    return Delivery(
        webhook=hooks[0] if busy else dice.choice(hooks[1:]),
        event=event,
        body=json.dumps({"event": event, "subject": "model/1.5.5", "data": {"said": "y" * 300}}),
        attempts=9 if failed else 1,
        duration_ms=30,
        created_at=at,
        attempted_at=at,
        finished_at=at,
        **fields,
    )

"""The rows by which the role `beat` starts schedules. Those of times are shared between tasks."""

import json
from uuid import uuid4

from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from inference.batch.cron import FIELDS
from inference.models import BatchSchedule
from registry.processing.worker import BATCH

TASK = "inference.batch_scheduled"


def beat_add(schedule: BatchSchedule) -> None:
    """Save a new schedule, and the task that starts it, in the caller's transaction."""
    schedule.beat = PeriodicTask.objects.create(
        name=f"batch-schedule-{uuid4()}",
        task=TASK,
        queue=BATCH,
        crontab=_times(schedule),
        enabled=schedule.active,
    )
    schedule.save()
    schedule.beat.args = json.dumps([schedule.pk])
    schedule.beat.save()


def beat_follow(schedule: BatchSchedule) -> None:
    """Have the task of a schedule start as its times say now: nothing that was due before."""
    task, before = schedule.beat, schedule.beat.crontab
    task.crontab, task.enabled = _times(schedule), schedule.active
    task.last_run_at = timezone.now()
    task.save()
    _drop_unused(before)


def beat_remove(schedule: BatchSchedule) -> None:
    """Delete a schedule and its task, in the caller's transaction."""
    task, times = schedule.beat, schedule.beat.crontab
    schedule.delete()
    task.delete()
    _drop_unused(times)


def _times(schedule: BatchSchedule) -> CrontabSchedule:
    """The row of its times, locked: nobody finds it unused until the task is there that uses it."""
    values = dict(zip((field.name for field in FIELDS), schedule.cron.split(), strict=True))
    same = CrontabSchedule.objects.filter(**values, timezone=schedule.timezone)
    found = same.select_for_update().order_by("pk").first()
    return found or CrontabSchedule.objects.create(**values, timezone=schedule.timezone)


def _drop_unused(times: CrontabSchedule) -> None:
    locked = CrontabSchedule.objects.select_for_update().filter(pk=times.pk).first()
    if locked and not locked.periodictask_set.exists():
        locked.delete()

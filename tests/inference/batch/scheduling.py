"""Schedules for tests, made through their service."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from inference.batch.schedules import Standing, schedule_create, schedule_fire
from inference.batch.services import Order
from inference.models import BatchSchedule
from ops.identity.directory import user_record
from registry.models import RegisteredModel, Team


def schedule_make(team: Team, user: User, name: str = "nightly", **fields: Any) -> BatchSchedule:
    """An hourly schedule of a team's first model, whose job was made once."""
    model = RegisteredModel.objects.filter(team=team).earliest("pk")
    order = Order(model=model, prefix=f"inputs/{team.name}/", team=team)
    standing = Standing(name=name, cron="0 * * * *", timezone="UTC", order=order, **fields)
    made = schedule_create(principal=user_record(user).principal, standing=standing)
    make_due(made)
    schedule_fire(made.pk)
    made.refresh_from_db()
    return made


def make_due(schedule: BatchSchedule) -> None:
    """As if two hours had passed since it was made."""
    before = timezone.now() - timedelta(hours=2)
    BatchSchedule.objects.filter(pk=schedule.pk).update(settled_at=before, next_run_at=before)

"""Schedules: made and changed by whom, and what happens when one is due."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from aihub.access import Action
from inference.batch import beat, schedules
from inference.batch.schedules import schedule_fire
from inference.models import BatchJob, BatchSchedule
from inference.tasks import batch_scheduled
from ops.identity.directory import principal_find
from ops.keys import key_create, key_revoke
from ops.models import AuditEvent
from registry.models import Membership, RegisteredModel, Team
from tests.inference.batch.scheduling import make_due
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
URL = "/api/v1/batch-schedules/"
SAID = {"name": "nightly", "model": "digits", "prefix": "inputs/alpha/", "cron": "0 * * * *"}
ClientOf = Callable[[User], Any]


@pytest.fixture(autouse=True)
def digits(alpha: Team) -> RegisteredModel:
    model = make_model(alpha, "digits")
    make_ready(publish(model))
    return model


def made(client: Any, **changes: Any) -> BatchSchedule:
    answer = client.post(URL, {**SAID, **changes}, format="json")
    assert answer.status_code == 201, answer.content
    return BatchSchedule.objects.get(pk=answer.json()["id"])


def fired(schedule: BatchSchedule) -> BatchJob | None:
    """Have it due, and what it makes."""
    make_due(schedule)
    job = schedule_fire(schedule.pk)
    schedule.refresh_from_db()
    return job


def told(action: str) -> list[dict[str, Any]]:
    return list(AuditEvent.objects.filter(action=action).values_list("data", flat=True))


def test_one_is_made_and_read(client_of: ClientOf, developer: User) -> None:
    client = client_of(developer)
    more = {"timezone": "Asia/Shanghai", "top": 3, "input_format": "images", "priority": "low"}
    schedule = made(client, cron=" 30  2 * * mon-fri", **more)
    found = client.get(f"{URL}{schedule.pk}/").json()
    assert (found["cron"], found["timezone"]) == ("30 2 * * mon-fri", "Asia/Shanghai")
    assert (found["model"], found["team"], found["created_by"]) == ("digits", "alpha", "developer")
    assert (found["options"], found["input_format"], found["priority"]) == (
        {"top": 3},
        "images",
        "low",
    )
    assert (found["active"], found["overlap"], found["version"]) == (True, "skip", None)
    assert datetime.fromisoformat(found["next_run_at"]).strftime("%H:%M") == "18:30"
    assert client.get(URL).json()["results"] == [found]
    assert told("batch.schedule_created")[0]["cron"] == "30 2 * * mon-fri"


def test_beat_has_a_task_for_it(client_of: ClientOf, developer: User) -> None:
    schedule = made(client_of(developer), cron="5 4 * * *", timezone="Asia/Shanghai")
    task = PeriodicTask.objects.get()
    assert (task.task, task.queue, task.args) == (beat.TASK, "batch", f"[{schedule.pk}]")
    assert task.enabled
    assert str(task.crontab.timezone) == "Asia/Shanghai"
    assert (task.crontab.minute, task.crontab.hour) == ("5", "4")


def test_times_are_shared_and_go_with_the_last_that_has_them(
    client_of: ClientOf, developer: User
) -> None:
    client = client_of(developer)
    first, second = made(client), made(client)
    assert CrontabSchedule.objects.count() == 1
    client.patch(f"{URL}{first.pk}/", {"cron": "0 1 * * *"}, format="json")
    assert CrontabSchedule.objects.count() == 2
    client.patch(f"{URL}{first.pk}/", {"cron": "0 2 * * *"}, format="json")
    assert CrontabSchedule.objects.count() == 2
    assert client.delete(f"{URL}{first.pk}/").status_code == 204
    assert client.delete(f"{URL}{second.pk}/").status_code == 204
    assert not CrontabSchedule.objects.exists()
    assert not PeriodicTask.objects.exists()


def test_beat_sees_the_first_one_too() -> None:
    assert PeriodicTasks.last_change() is not None


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"cron": "* * * * *"}, 400, "cron"),
        ({"cron": "never"}, 400, "cron"),
        ({"timezone": "Moon"}, 400, "timezone"),
        ({"overlap": "maybe"}, 400, "overlap"),
        ({"version": "1.0.0", "alias": "production"}, 400, "alias"),
        ({"prefix": ""}, 400, "prefix"),
        ({"name": ""}, 400, "name"),
        ({"surprise": 1}, 400, "surprise"),
        ({"prefix": "files/"}, 403, ""),
        ({"prefix": "inputs/beta/"}, 403, ""),
        ({"model": "nothing"}, 404, ""),
        ({"version": "9"}, 404, ""),
        ({"team": "beta"}, 403, ""),
    ],
)
def test_what_could_not_run_is_not_made(
    client_of: ClientOf,
    developer: User,
    beta: Team,
    changes: dict[str, Any],
    status: int,
    field: str,
) -> None:
    answer = client_of(developer).post(URL, {**SAID, **changes}, format="json")
    assert answer.status_code == status, answer.content
    assert [error["field"] for error in answer.json().get("errors", [])] == [field] * bool(field)
    assert not BatchSchedule.objects.exists()
    assert not PeriodicTask.objects.exists()


def test_whoever_may_not_see_a_schedule_may_do_nothing_with_it(
    client_of: ClientOf, developer: User, outsider: User
) -> None:
    path = f"{URL}{made(client_of(developer)).pk}/"
    client = client_of(outsider)
    assert client.get(URL).json()["count"] == 0
    asked = (client.get(path), client.delete(path), client.post(f"{path}run/"))
    assert {answer.status_code for answer in asked} == {404}
    assert client.patch(path, {"active": False}, format="json").status_code == 404


def test_a_viewer_steers_only_their_own(client_of: ClientOf, developer: User, viewer: User) -> None:
    client = client_of(viewer)
    path = f"{URL}{made(client_of(developer)).pk}/"
    assert client.get(path).status_code == 200
    assert client.delete(path).status_code == 403
    assert client.post(f"{path}run/").status_code == 403
    assert client.patch(path, {"active": False}, format="json").status_code == 403
    own = f"{URL}{made(client).pk}/"
    assert client.patch(own, {"active": False}, format="json").status_code == 200


def test_whoever_changes_it_has_it_run_with_their_rights(
    client_of: ClientOf, admin: User, developer: User
) -> None:
    schedule = made(client_of(admin), prefix="anywhere/", team="alpha")
    client, path = client_of(developer), f"{URL}{schedule.pk}/"
    assert client.patch(path, {"prefix": "inputs/beta/"}, format="json").status_code == 403
    answer = client.patch(path, {"prefix": "inputs/alpha/"}, format="json")
    assert answer.json()["created_by"] == "developer"
    schedule.refresh_from_db()
    assert schedule.owner == f"user:{developer.pk}"


def test_turning_it_off_and_on_leaves_its_owner(
    client_of: ClientOf, owner: User, developer: User
) -> None:
    schedule = made(client_of(developer))
    client, path = client_of(owner), f"{URL}{schedule.pk}/"
    off = client.patch(path, {"active": False}, format="json").json()
    assert (off["active"], off["next_run_at"]) == (False, None)
    assert not PeriodicTask.objects.get().enabled
    assert fired(schedule) is None
    on = client.patch(path, {"active": True}, format="json").json()
    assert on["next_run_at"]
    assert on["created_by"] == "developer"
    assert PeriodicTask.objects.get().enabled
    assert schedule_fire(schedule.pk) is None  # what it missed meanwhile is not made up for


def test_a_change_keeps_what_it_does_not_name(client_of: ClientOf, developer: User) -> None:
    client = client_of(developer)
    schedule = made(client, top=3, version="^1", priority="high", timezone="Asia/Tokyo")
    path = f"{URL}{schedule.pk}/"
    found = client.patch(path, {"name": "hourly", "top": None}, format="json").json()
    assert (found["name"], found["options"], found["version"]) == ("hourly", {}, "^1")
    assert (found["priority"], found["timezone"]) == ("high", "Asia/Tokyo")
    assert client.patch(path, {"version": None}, format="json").json()["version"] is None
    assert client.patch(path, {"name": None}, format="json").status_code == 400
    assert client.patch(path, [], format="json").status_code == 400


def test_a_due_schedule_makes_its_job(client_of: ClientOf, developer: User) -> None:
    client = client_of(developer)
    schedule = made(client, version="^1", top=2)
    job = fired(schedule)
    assert job is not None
    assert (job.schedule, job.owner, job.prefix) == (schedule, schedule.owner, "inputs/alpha/")
    assert (job.version_name, job.options["top"]) == ("1.0.0", 2)
    assert (schedule.last_job, schedule.last_outcome, schedule.error) == (job, "made", "")
    assert schedule.next_run_at is not None
    assert schedule.next_run_at > timezone.now()
    found = client.get(f"/api/v1/batch-jobs/?schedule={schedule.pk}").json()["results"]
    assert [(row["id"], row["schedule"]) for row in found] == [(job.pk, schedule.pk)]
    assert client.get("/api/v1/batch-jobs/?schedule=999").json()["count"] == 0
    shown = client.get(f"{URL}{schedule.pk}/").json()
    assert shown["last_job"] == {"id": job.pk, "state": "queued"}


def test_two_messages_make_one_job(client_of: ClientOf, developer: User) -> None:
    schedule = made(client_of(developer), overlap="allow")
    make_due(schedule)
    for _ in range(2):
        batch_scheduled(schedule.pk)
    assert BatchJob.objects.count() == 1


def test_a_run_whose_note_was_lost_makes_no_second_job(
    client_of: ClientOf, developer: User
) -> None:
    schedule = made(client_of(developer), overlap="allow")
    first = fired(schedule)
    assert fired(schedule) == first
    assert BatchJob.objects.count() == 1


def test_what_is_not_due_makes_nothing(client_of: ClientOf, developer: User) -> None:
    schedule = made(client_of(developer))
    assert schedule_fire(schedule.pk) is None
    assert schedule_fire(999) is None
    assert not BatchJob.objects.exists()


def test_a_run_is_left_out_while_the_job_before_is_not_over(
    client_of: ClientOf, developer: User
) -> None:
    schedule = made(client_of(developer))
    first = fired(schedule)
    assert first is not None
    BatchJob.objects.update(idempotency_key=None)  # as of another hour
    assert fired(schedule) is None
    assert (schedule.last_outcome, schedule.last_job) == ("skipped", first)
    assert schedule.error == f"Its job {first.pk} is not over yet."
    assert told("batch.schedule_skipped")[0]["reason"] == schedule.error
    BatchJob.objects.update(state="succeeded")
    assert fired(schedule) is not None
    assert (schedule.last_outcome, schedule.error) == ("made", "")


def _deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _remove(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def _delete(user: User) -> None:
    user.delete()


@pytest.mark.parametrize("end", [_deactivate, _remove, _delete])
def test_whoever_lost_their_rights_has_nothing_run(
    client_of: ClientOf, developer: User, end: Callable[[User], None]
) -> None:
    schedule = made(client_of(developer))
    end(developer)
    assert fired(schedule) is None
    assert not BatchJob.objects.exists()
    assert schedule.last_outcome == "failed"
    assert "“developer”, with whose rights it runs" in schedule.error
    event = told("batch.schedule_failed")[0]
    assert (event["model"], event["reason"]) == ("digits", schedule.error)
    assert schedule.next_run_at is not None
    assert schedule.next_run_at > timezone.now()


def test_a_key_has_its_schedules_run_until_it_is_revoked(
    client_of: ClientOf, owner: User, alpha: Team
) -> None:
    from rest_framework.test import APIClient

    principal = principal_find(f"user:{owner.pk}")
    assert principal
    actions = [Action.PREDICT, Action.READ]
    key, secret = key_create(principal=principal, team=alpha, name="shop", actions=actions)
    client = APIClient(headers={"Authorization": f"Api-Key {secret}"})
    schedule = made(client)
    assert fired(schedule) is not None
    key_revoke(key, principal=principal)
    BatchJob.objects.update(idempotency_key=None, state="succeeded")
    assert fired(schedule) is None
    assert "“shop”" in schedule.error


def test_a_model_that_is_gone_is_said(
    client_of: ClientOf, developer: User, digits: RegisteredModel
) -> None:
    schedule = made(client_of(developer))
    RegisteredModel.objects.filter(pk=digits.pk).update(deleted_at=timezone.now())
    assert fired(schedule) is None
    assert schedule.error == "There is no model “digits”."


def test_a_model_with_a_schedule_is_not_deleted(client_of: ClientOf, owner: User) -> None:
    client = client_of(owner)
    schedule = made(client)
    answer = client.delete("/api/v1/models/digits/")
    assert answer.status_code == 409
    assert f"schedule {schedule.pk} (nightly)" in answer.json()["detail"]
    client.patch(f"{URL}{schedule.pk}/", {"active": False}, format="json")
    assert client.delete("/api/v1/models/digits/").status_code == 204


def test_it_is_run_by_hand(client_of: ClientOf, developer: User, owner: User) -> None:
    schedule = made(client_of(developer), active=False)
    path = f"{URL}{schedule.pk}/run/"
    answer = client_of(owner).post(path)
    assert answer.status_code == 202, answer.content
    assert (answer.json()["schedule"], answer.json()["created_by"]) == (schedule.pk, "developer")
    again = client_of(owner).post(path)
    assert again.status_code == 409
    assert again.json()["detail"] == f"Its job {answer.json()['id']} is not over yet."


def test_its_jobs_outlive_it(client_of: ClientOf, developer: User) -> None:
    client = client_of(developer)
    job = fired(schedule := made(client))
    assert job is not None
    client.delete(f"{URL}{schedule.pk}/")
    assert client.get(f"/api/v1/batch-jobs/{job.pk}/").json()["schedule"] is None


def test_what_is_late_is_asked_for_again(
    client_of: ClientOf, developer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = made(client_of(developer)), made(client_of(developer))
    make_due(late)
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(batch_scheduled, "apply_async", lambda args, **kw: asked.append(args))
    schedules.schedules_remind()
    assert asked == [(late.pk,)]
    assert other.next_run_at is not None
    assert other.next_run_at.tzinfo == UTC

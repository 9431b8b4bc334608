"""Schedules in the console: made, read, switched, run and deleted."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from inference.models import BatchJob, BatchSchedule
from ops.console.schedule_words import cron_words
from registry.models import RegisteredModel, Team
from tests.inference.batch.scheduling import make_due, schedule_make
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
SENT = {
    "name": "every night",
    "model": "digits",
    "prefix": "inputs/alpha/",
    "output_format": "csv",
    "cron": "30 2 * * 1-5",
    "timezone": "Asia/Shanghai",
    "overlap": "skip",
    "priority": "low",
    "options": '{"top": 3}',
    "active": "on",
}


@pytest.fixture(autouse=True)
def digits(alpha: Team) -> RegisteredModel:
    model = make_model(alpha, "digits")
    make_ready(publish(model))
    return model


@pytest.fixture
def as_developer(client: Client, developer: User) -> Client:
    client.force_login(developer)
    return client


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_one_is_made(as_developer: Client) -> None:
    answer = as_developer.post("/batch-schedules/new/", SENT)
    schedule = BatchSchedule.objects.get()
    assert answer["Location"] == f"/batch-schedules/{schedule.pk}/"
    assert (schedule.team.name, schedule.priority, schedule.options) == ("alpha", -1, {"top": 3})
    text = read(as_developer, answer["Location"])
    assert "At 02:30, Monday through Friday · Asia/Shanghai" in text
    assert len(re.findall(r"<time[^>]*\+08:00[^>]*>\w{3} \d{4}-\d\d-\d\d 02:30", text)) == 5
    listed = read(as_developer, "/batch-schedules/")
    assert 'aria-checked="true"' in listed
    assert "18:30 UTC" in listed


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "required"),
        ("cron", "* * * * *", "every 5 minutes"),
        ("cron", "61 * * * *", "“61” does not fit the field “minute”"),
        ("timezone", "Moon", "no time zone “Moon”"),
        ("alias", "production", "not both"),
        ("options", '{"wings": 2}', "wings: No such field."),
        ("options", '{"top": 0}', "top: "),
        ("options", "[]", "JSON object"),
        ("prefix", "files/", "the hub's own"),
        ("model", "nothing", "There is no model"),
        ("version", "9", "has no version"),
        ("team", "beta", "Select a valid choice"),
    ],
)
def test_what_does_not_fit_is_said(as_developer: Client, field: str, value: Any, said: str) -> None:
    version = "1.0.0" if field == "alias" else ""
    answer = as_developer.post("/batch-schedules/new/", {**SENT, "version": version, field: value})
    errors = answer.context["form"].errors
    where = field if field not in ("prefix", "model", "version") else "__all__"
    assert list(errors) == [where]
    assert said in str(errors.as_data())
    assert not BatchSchedule.objects.exists()


def test_the_example_of_options_can_be_copied(as_developer: Client) -> None:
    form = as_developer.get("/batch-schedules/new/").context["form"]
    _, _, example = str(form.fields["options"].help_text).partition(" example ")
    assert json.loads(example.rstrip(".")).keys() == {"columns", "key", "top"}


def test_it_is_edited(as_developer: Client, alpha: Team, developer: User) -> None:
    schedule = schedule_make(alpha, developer)
    path = f"/batch-schedules/{schedule.pk}/edit/"
    shown = as_developer.get(path).context["form"].initial
    assert (shown["cron"], shown["team"], shown["options"]) == ("0 * * * *", "alpha", {})
    as_developer.post(path, {**SENT, "active": ""})
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.active, schedule.next_run_at) == ("30 2 * * 1-5", False, None)


def test_it_is_switched_from_the_list_and_from_its_page(
    as_developer: Client, alpha: Team, developer: User
) -> None:
    schedule = schedule_make(alpha, developer)
    path = f"/batch-schedules/{schedule.pk}/"
    answer = as_developer.post(f"{path}off/", {"list": "q=night&p=2"})  # the list stays as it was
    assert answer["Location"] == f"/batch-schedules/?q=night&p=2#switch-{schedule.pk}"
    assert 'aria-checked="false"' in read(as_developer, "/batch-schedules/")
    assert "None: it is off." in read(as_developer, path)
    assert as_developer.post(f"{path}on/")["Location"] == f"{path}#turn-off"
    assert BatchSchedule.objects.get().active


def test_a_switch_sends_its_form_with_a_token(
    as_developer: Client, alpha: Team, developer: User
) -> None:
    schedule_make(alpha, developer)
    text = read(as_developer, "/batch-schedules/")
    form = text[text.index('id="changelist-form"') : text.index('class="hub-switch"')]
    assert "csrfmiddlewaretoken" in form
    assert "</form>" not in form


def test_it_is_run_by_hand_and_its_jobs_are_listed(
    as_developer: Client, alpha: Team, developer: User
) -> None:
    schedule = schedule_make(alpha, developer)
    path = f"/batch-schedules/{schedule.pk}/"
    answer = as_developer.post(f"{path}run/", follow=True)
    assert "is not over yet" in answer.content.decode()
    BatchJob.objects.update(state="succeeded")
    as_developer.post(f"{path}run/")
    text = read(as_developer, path)
    assert [f'href="/batch-jobs/{job.pk}/"' in text for job in BatchJob.objects.all()] == [True] * 2


def test_what_went_wrong_is_said(as_developer: Client, alpha: Team, developer: User) -> None:
    from inference.batch.schedules import schedule_fire

    schedule = schedule_make(alpha, developer)
    BatchSchedule.objects.update(owner="user:0")
    BatchJob.objects.update(state="succeeded")
    make_due(schedule)
    schedule_fire(schedule.pk)
    assert "with whose rights it runs" in read(as_developer, f"/batch-schedules/{schedule.pk}/")
    assert "hub-bad" in read(as_developer, "/batch-schedules/")


def test_it_is_deleted_after_a_question(as_developer: Client, alpha: Team, developer: User) -> None:
    path = f"/batch-schedules/{schedule_make(alpha, developer).pk}/delete/"
    assert "Delete the schedule" in read(as_developer, path)
    assert BatchSchedule.objects.exists()
    assert as_developer.post(path)["Location"] == "/batch-schedules/"
    assert not BatchSchedule.objects.exists()
    assert "No schedules yet" in read(as_developer, "/batch-schedules/")


def test_who_may_not_steer_it_is_offered_nothing(
    client: Client, alpha: Team, developer: User, viewer: User, outsider: User
) -> None:
    path = f"/batch-schedules/{schedule_make(alpha, developer).pk}/"
    client.force_login(viewer)
    assert "Run now" not in read(client, path)
    assert "hub-switch" not in read(client, "/batch-schedules/")
    asked = [client.post(f"{path}{act}/") for act in ("run", "on", "off", "delete", "edit")]
    assert {answer.status_code for answer in asked} == {403}
    client.force_login(outsider)
    assert client.get(path).status_code == 404
    assert "nightly" not in read(client, "/batch-schedules/")


def test_times_are_said_in_the_readers_language() -> None:
    assert cron_words("0 3 * * 1") == "At 03:00, only on Monday"
    with translation.override("zh-hans"):
        assert "星期一" in cron_words("0 3 * * 1")
        assert "03:00" in cron_words("0 3 * * 1")
        assert "一月" in cron_words("0 3 1 1 *")

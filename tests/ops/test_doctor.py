"""The doctor's judgement, of what no test can make happen on this machine."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from aihub.events import SYSTEM
from ops.doctor import clock, configuration, database, examination, permissions, versions, workers
from ops.doctor.findings import Finding, Level, fail, ok
from ops.models import Webhook
from ops.notifications.webhooks import webhook_create
from registry.models import Team, WorkerHeartbeat
from registry.processing.worker import PROCESSING, beat
from tests.ops.making import URL
from tests.registry.making import make_model, publish

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("there", "level"),
    [
        (100.5, Level.OK),
        (98.5, Level.OK),
        (97.0, Level.WARN),
        (104.0, Level.WARN),
        (131.5, Level.FAIL),
        (60.0, Level.FAIL),
    ],
)
def test_a_clock_that_is_away_is_told(there: float, level: Level) -> None:
    finding = clock.judged("the database", there, 100.0, 101.0)
    assert finding.level is level
    assert bool(finding.do) is (level is not Level.OK)


def test_a_secret_that_others_may_read_is_a_failure(tmp_path: Path) -> None:
    key = tmp_path / "secret-key"
    key.write_text("secret")
    key.chmod(0o644)
    with override_settings(HOME=tmp_path):
        tmp_path.chmod(0o755)
        assert "chmod 600" in failures(permissions.check())[0].do
        tmp_path.chmod(0o700)  # nobody else gets that far
        assert failures(permissions.check()) == []


def test_a_home_that_is_a_file_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with override_settings(HOME=file):
        found = failures(permissions.check())
    assert "AIHUB_HOME" in found[0].what


def test_a_machine_without_a_sandbox_is_told() -> None:
    with changed(AIHUB_SANDBOX="off"):
        assert any("AIHUB_SANDBOX=off" in finding.what for finding in permissions.check())


@pytest.mark.parametrize(("torch", "torchvision"), [("2.13.0", "0.27.0"), ("2.13.0", ""), ("", "")])
def test_a_torchvision_of_another_torch_is_a_failure(torch: str, torchvision: str) -> None:
    assert failures(versions.pair(torch, torchvision))


def test_this_environment_is_as_pinned() -> None:
    assert failures(versions.check()) == []
    assert versions.others({"django": "1.0"})[0].startswith("django ")


def test_a_schema_that_is_newer_than_the_code_is_told() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('registry', '9999_of_tomorrow', CURRENT_TIMESTAMP)"
        )
    found = [finding for finding in database.check() if finding.level is Level.WARN]
    assert any("registry.9999_of_tomorrow" in finding.what for finding in found)


def test_a_schema_that_is_older_than_the_code_is_a_failure() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '0006_webhook_keys'")
    assert "ops.0006_webhook_keys" in failures(database.check())[0].what


def test_work_that_no_worker_takes_is_a_failure(alpha: Team) -> None:
    assert failures(workers.check()) == []
    publish(make_model(alpha))
    assert "work waits" in failures(workers.check())[0].what


def test_who_runs_another_version_is_told() -> None:
    beat("worker-1:7", PROCESSING)
    beat("worker-2:7", PROCESSING)
    WorkerHeartbeat.objects.filter(name="worker-2:7").update(version="0.0.9")
    said = "\n".join(finding.what for finding in workers.check())
    assert "worker-2:7 (worker) runs version 0.0.9" in said
    assert "worker-1:7" not in said


def test_webhooks_of_an_old_key_are_counted(alpha: Team) -> None:
    with override_settings(SECRET_KEY="the key that this hub had before, and that leaked"):
        webhook_create(principal=SYSTEM, team=alpha, name="chat", url=URL, events=[])
    assert "1 webhooks" in [finding.what for finding in configuration.check()][-1]


def test_webhooks_that_name_no_key_are_counted_once_there_are_two(alpha: Team) -> None:
    webhook_create(principal=SYSTEM, team=alpha, name="chat", url=URL, events=[])
    Webhook.objects.update(key_id="")
    assert not any("1 webhooks" in finding.what for finding in configuration.check())
    with override_settings(SECRET_KEY_FALLBACKS=["the key that this hub had before"]):
        assert any("1 webhooks" in finding.what for finding in configuration.check())


def test_what_is_not_fit_for_production_is_told() -> None:
    bare = {"DATABASE_URL": "mysql://db/hub", "AIHUB_TRUSTED_ORIGINS": ("https://hub.example",)}
    with changed(**bare), override_settings(DEBUG=True):
        found = list(configuration.check())
    said = "\n".join(finding.what for finding in found)
    for word in (
        "AIHUB_DEBUG",
        "AIHUB_ALLOWED_HOSTS",
        "AIHUB_PUBLIC_URL",
        "no proxy",
        "security.W",
    ):
        assert word in said


def test_a_check_that_breaks_keeps_no_other_from_being_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Iterator[Finding]:
        yield ok("so far")
        raise RuntimeError("on purpose")

    monkeypatch.setattr(examination, "CHECKS", {"one": broken, "two": lambda: iter([ok("well")])})
    levels = [(name, finding.level) for name, finding in examination.examine()]
    assert levels == [("one", Level.OK), ("one", Level.FAIL), ("two", Level.OK)]


def test_the_command_ends_with_one_where_anything_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    sick = {"versions": lambda: iter([fail("it is broken", "mend it")])}
    monkeypatch.setattr(examination, "CHECKS", sick)
    said = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", json=True, stdout=said)
    assert end.value.code == 1
    assert json.loads(said.getvalue())["findings"] == [
        {"check": "versions", "level": "fail", "what": "it is broken", "do": "mend it"}
    ]


def failures(found: Iterator[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level is Level.FAIL]


def changed(**variables: Any) -> override_settings:
    return override_settings(ENV=replace(settings.ENV, **variables))

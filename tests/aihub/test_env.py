"""The environment: what is read, and what is said of a value that does not fit."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from aihub import env
from aihub.apps import check_environment

WRONG = {
    "AIHUB_ROLE": "everything",
    "AIHUB_PORT": "0",
    "AIHUB_DEBUG": "maybe",
    "AIHUB_LOG_LEVEL": "chatty",
    "AIHUB_SECRET_KEY": "short",
    "AIHUB_SECRET_KEY_OLD": "short",
    "AIHUB_TRUSTED_PROXIES": "-1",
    "AIHUB_MODELS_FILE": "/nowhere/models.yaml",
    "AIHUB_MULTIPART_MAX": "2 GB",
    "AIHUB_UPLOAD_MAX": "1",
    "AIHUB_UPLOAD_HOURS": "0",
    "AIHUB_PART_SIZE": "1024",
    "AIHUB_TRASH_DAYS": "-1",
    "AIHUB_VERIFY_DAYS": "weekly",
    "AIHUB_SANDBOX": "docker",
    "AIHUB_SANDBOX_MEMORY": "1",
    "AIHUB_SANDBOX_SECONDS": "0",
    "AIHUB_PREDICT_MAX": "1",
    "AIHUB_PREDICT_ITEMS": "0",
    "AIHUB_IMAGE_PIXELS": "many",
    "AIHUB_LOGIN_FAILURES": "0",
    "AIHUB_LOGIN_WINDOW": "0",
    "AIHUB_THREADS": "2000",
    "AIHUB_DEVICE": "tpu",
    "AIHUB_POOL": "Big Ones",
    "AIHUB_MODEL_MEMORY": "-1",
    "AIHUB_MAX_BATCH": "0",
    "AIHUB_MAX_DELAY_MS": "-1",
    "AIHUB_QUEUE": "0",
    "AIHUB_GRPC_PORT": "70000",
    "AIHUB_HEALTH_PORT": "health",
    "AIHUB_OPTIMISE": "perhaps",
    "AIHUB_FILE_CACHE": "0",
    "AIHUB_WORKER_PROCESSES": "0",
    "AIHUB_BATCH_PROCESSES": "0",
    "AIHUB_BATCH_NICE": "20",
    "AIHUB_BATCH_JOBS": "0",
    "AIHUB_BATCH_DAYS": "0",
    "AIHUB_BATCH_STALLED": "1",
    "AIHUB_PUBLIC_URL": "hub.example.com",
    "AIHUB_WEBHOOK_PRIVATE": "sometimes",
    "AIHUB_EMAIL_URL": "http://mail",
    "AIHUB_EMAIL_FROM": "nobody",
    "AIHUB_TRACE_ENDPOINT": "collector:4318",
    "AIHUB_TRACE_SAMPLE": "10 %",
    "DATABASE_URL": "postgres://db/aihub",
    "AIHUB_BROKER_URL": "amqp://broker",
    "AIHUB_CACHE_URL": "memcached://cache",
    "AIHUB_S3_ENDPOINT": "minio:9000",
    "AIHUB_S3_PUBLIC_ENDPOINT": "files.example.com",
    "AIHUB_BACKUP_S3_ENDPOINT": "backups.example.com",
}
# Any text fits these.
FREE = {
    *("AIHUB_HOME", "AIHUB_HOST", "AIHUB_ADMIN_PASSWORD", "AIHUB_ALLOWED_HOSTS"),
    *("AIHUB_TRUSTED_ORIGINS", "AIHUB_ARCHITECTURES", "AIHUB_S3_ACCESS_KEY"),
    *("AIHUB_S3_SECRET_KEY", "AIHUB_S3_BUCKET", "AIHUB_S3_REGION"),
    *("AIHUB_BACKUP_S3_ACCESS_KEY", "AIHUB_BACKUP_S3_SECRET_KEY", "AIHUB_BACKUP_S3_REGION"),
}
PRODUCTION = {
    "DATABASE_URL": "mysql://hub:pass@db/aihub",
    "AIHUB_SECRET_KEY": "k" * 32,
    "AIHUB_BROKER_URL": "redis://redis:6379/0",
}


def refusal(environ: Mapping[str, str]) -> str:
    with pytest.raises(ImproperlyConfigured) as error:
        env.read(dict(environ))
    return str(error.value)


def test_it_needs_nothing() -> None:
    found = env.read({})
    assert found.embedded
    assert found.AIHUB_PORT == 8000
    assert env.BASE_DIR / "var" == found.AIHUB_HOME


def test_it_reads_production() -> None:
    found = env.read(PRODUCTION | {"AIHUB_ALLOWED_HOSTS": "a.example, b.example"})
    assert not found.embedded
    assert found.AIHUB_ALLOWED_HOSTS == ("a.example", "b.example")


def test_it_takes_an_empty_value_for_none() -> None:
    assert env.read(dict.fromkeys(WRONG, " ")) == env.read({})


def test_every_variable_has_its_wrong_value_here() -> None:
    assert {field.name for field in fields(env.Env)} == WRONG.keys() | FREE


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_it_names_the_variable_that_does_not_fit(name: str, value: str) -> None:
    said = refusal({name: value})
    assert said.startswith(f"{name}=")
    assert "it must be" in said
    assert said.endswith(".")


@pytest.mark.parametrize("url", ["mysql://db", "mysql://db:port/aihub", "mysql://[db/aihub", "x"])
def test_it_names_a_database_url_that_does_not_fit(url: str) -> None:
    assert refusal({"DATABASE_URL": url}).startswith("DATABASE_URL=")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIHUB_SECRET_KEY", "hunter2"),
        ("DATABASE_URL", "postgres://hub:hunter2@db/aihub"),
        ("AIHUB_BROKER_URL", "amqp://hub:hunter2@broker"),
        ("AIHUB_CACHE_URL", "memcached://:hunter2@cache"),
        ("AIHUB_S3_ENDPOINT", "ftp://hub:hunter2@minio"),
        ("AIHUB_TRACE_ENDPOINT", "grpc://hub:hunter2@collector"),
        ("AIHUB_EMAIL_URL", "pop3://hub:hunter2@mail"),
    ],
)
def test_it_never_shows_a_secret(name: str, value: str) -> None:
    said = refusal({name: value})
    assert "hunter2" not in said
    assert name in said


@pytest.mark.parametrize("missing", ["AIHUB_SECRET_KEY", "AIHUB_BROKER_URL"])
def test_it_asks_for_what_a_database_of_its_own_needs(missing: str) -> None:
    environ = {name: value for name, value in PRODUCTION.items() if name != missing}
    assert f"set {missing} too" in refusal(environ)


def test_it_asks_for_the_keys_of_a_store() -> None:
    environ = {"AIHUB_S3_ENDPOINT": "http://minio:9000", "AIHUB_S3_ACCESS_KEY": "key"}
    assert "AIHUB_S3_SECRET_KEY" in refusal(environ)


def test_it_asks_for_the_address_that_mails_come_from() -> None:
    environ = {"AIHUB_EMAIL_URL": "smtp+tls://user:password@mail:587"}
    assert "AIHUB_EMAIL_FROM" in refusal(environ)
    for sender in ("hub@example.com", "AIHub <hub@example.com>"):
        assert sender == env.read({**environ, "AIHUB_EMAIL_FROM": sender}).AIHUB_EMAIL_FROM


def test_it_keeps_a_secret_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret-key"
    first = env.kept_secret(path)
    assert len(first) >= 32
    assert env.kept_secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_does_not_warn_of_what_the_command_reads() -> None:
    assert env.unknown_names({"AIHUB_URL": "http://hub", "AIHUB_API_KEY": "aihub_1"}) == []


def test_it_warns_of_names_that_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIHUB_MULTIPART_MX", "1024")
    assert env.unknown_names({"AIHUB_PORT": "1", "AIHUB_PROT": "1"}) == ["AIHUB_PROT"]
    assert "AIHUB_MULTIPART_MX" in check_environment(None)[0].msg

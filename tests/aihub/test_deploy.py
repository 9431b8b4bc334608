"""`manage.py check --deploy`: nothing to say of production, and the right thing of what is not."""

import os
import secrets
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from aihub.env import BASE_DIR, Env

PRODUCTION = {
    "DATABASE_URL": "mysql://hub:pass@mysql/aihub",
    "AIHUB_BROKER_URL": "redis://redis:6379/0",
    "AIHUB_CACHE_URL": "redis://redis:6379/1",
    "AIHUB_SECRET_KEY": secrets.token_urlsafe(48),
    "AIHUB_ALLOWED_HOSTS": "hub.example.com",
    "AIHUB_TRUSTED_ORIGINS": "https://hub.example.com",
    "AIHUB_TRUSTED_PROXIES": "1",
}
SHOW = """
import django
django.setup()
from django.test import Client
from django.conf import settings
settings.ALLOWED_HOSTS = ["*"]
for proto in ("http", "https"):
    answer = Client(headers={"X-Forwarded-Proto": proto}).get("/api/docs/")
    print(answer.status_code, answer.get("Strict-Transport-Security", "-"))
"""


def run(home: Path, *arguments: str, **changed: str) -> "subprocess.CompletedProcess[str]":
    ours = {field.name for field in fields(Env)}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    environ = kept | PRODUCTION | {"AIHUB_HOME": str(home)} | changed
    environ["DJANGO_SETTINGS_MODULE"] = "aihub.settings"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env={name: value for name, value in environ.items() if value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def check(home: Path, **changed: str) -> "subprocess.CompletedProcess[str]":
    return run(home, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **changed)


def test_production_has_no_issues(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"AIHUB_TRUSTED_ORIGINS": "http://hub.example.com"}, ("W004", "W012", "W016")),
        ({"AIHUB_DEBUG": "true"}, ("W018",)),
        ({"AIHUB_SECRET_KEY": "k" * 32}, ("W009",)),
        ({"AIHUB_SECRET_KEY_OLD": "k" * 32}, ("W025",)),
        ({"AIHUB_TRUSTED_PROXY": "1"}, ("AIHUB_TRUSTED_PROXY is set",)),
    ],
)
def test_what_is_not_fit_for_production_is_named(
    tmp_path: Path, changed: dict[str, str], said: tuple[str, ...]
) -> None:
    done = check(tmp_path, **changed)
    assert done.returncode == 1
    assert all(words in done.stderr for words in said)


def test_https_is_believed_of_a_proxy_of_ours_alone(tmp_path: Path) -> None:
    """And a call over plain HTTP gets its answer, not a redirect."""
    behind = run(tmp_path, "-c", SHOW).stdout.split("\n")
    assert behind[:2] == ["200 -", "200 max-age=31536000"]
    alone = run(tmp_path, "-c", SHOW, AIHUB_TRUSTED_PROXIES="0").stdout.split("\n")
    assert alone[:2] == ["200 -", "200 -"]

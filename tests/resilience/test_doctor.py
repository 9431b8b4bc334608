"""`manage.py doctor` beside services that are wrong, or gone."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import MySQLdb
import pytest
import redis

from aihub.env import BASE_DIR
from tests.hub import hub_environ
from tests.services import Services, running_services
from tests.stack import Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Servers of this module's own: no other test wants to see them wrong."""
    with running_services(tmp_path_factory.mktemp("doctor")) as running:
        yield running


@pytest.fixture(scope="module")
def environ(services: Services, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    stack = Stack("services", tmp_path_factory.mktemp("doctor-home"), services)
    return hub_environ(stack, "doctor")


def doctor(environ: dict[str, str], *only: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json", "--only", *only],
        cwd=BASE_DIR,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if said["healthy"] else 1), done.stderr
    return said


def told(said: dict[str, Any], check: str, level: str) -> str:
    """What a check says at a level, with what to do, which there must be."""
    found = [f for f in said["findings"] if f["check"] == check and f["level"] == level]
    assert found, said["findings"]
    assert all(f["do"] for f in found)
    return "\n".join(f"{f['what']} → {f['do']}" for f in found)


def test_services_that_are_set_up_wrongly(services: Services, environ: dict[str, str]) -> None:
    root = MySQLdb.connect(host="127.0.0.1", port=services.mysql_port, user="root")
    root.cursor().execute("CREATE DATABASE old CHARACTER SET latin1")
    root.close()
    with redis.Redis(port=services.redis_port) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
    said = doctor(
        environ
        | {
            "DATABASE_URL": f"mysql://root@127.0.0.1:{services.mysql_port}/old",
            "AIHUB_S3_SECRET_KEY": "not the secret key",
            "AIHUB_TRUSTED_PROXY": "1",
            "AIHUB_TRUSTED_ORIGINS": "https://hub.example.com",
        },
        *("configuration", "database", "broker", "cache", "storage", "clock"),
    )
    database = told(said, "database", "fail")
    assert "latin1" in database
    assert "migrations are not applied" in database
    assert "manage.py migrate" in database
    assert "noeviction" in told(said, "broker", "warn")
    assert "AIHUB_S3_SECRET_KEY" in told(said, "storage", "fail")
    configuration = told(said, "configuration", "warn")
    assert "AIHUB_TRUSTED_PROXY is set" in configuration
    assert "AIHUB_PUBLIC_URL" in configuration
    assert "AIHUB_TRUSTED_PROXIES" in configuration
    assert "AIHUB_ALLOWED_HOSTS" in configuration
    levels = {f["level"] for f in said["findings"] if f["check"] in ("cache", "clock")}
    assert levels == {"ok"}


def test_a_bucket_that_is_not_there_and_a_user_that_is_not(
    services: Services, environ: dict[str, str]
) -> None:
    said = doctor(
        environ
        | {
            "DATABASE_URL": f"mysql://nobody:wrong@127.0.0.1:{services.mysql_port}/aihub_doctor",
            "AIHUB_S3_BUCKET": "nowhere",
        },
        *("database", "storage", "workers"),
    )
    assert "AIHUB_S3_BUCKET" in told(said, "storage", "fail")
    assert "Access denied" in told(said, "database", "fail")
    assert [f["level"] for f in said["findings"] if f["check"] == "workers"] == ["skip"]


def test_an_address_for_clients_that_leads_elsewhere_is_named(environ: dict[str, str]) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        public = {
            "AIHUB_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{other.server_port}",
            "AIHUB_TRUSTED_ORIGINS": "https://hub.example.com",
        }
        said = doctor(environ | public, "storage")
        other.shutdown()
    assert "AIHUB_S3_PUBLIC_ENDPOINT" in told(said, "storage", "fail")
    assert "storage_cors" in told(said, "storage", "warn")


def test_services_that_are_gone(services: Services, environ: dict[str, str]) -> None:
    for name in ("mysql", "redis", "s3"):
        services.kill(name)
    said = doctor(environ, "database", "broker", "cache", "storage", "workers")
    for check, variable in {
        "database": "DATABASE_URL",
        "broker": "AIHUB_BROKER_URL",
        "cache": "AIHUB_CACHE_URL",
        "storage": "AIHUB_S3_ENDPOINT",
    }.items():
        assert variable in told(said, check, "fail")

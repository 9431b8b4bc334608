"""Liveness and readiness."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ops import health
from registry.models import WorkerHeartbeat
from registry.processing.worker import beat

pytestmark = pytest.mark.django_db


def test_the_process_lives(client: Client) -> None:
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_the_web_role_is_ready_with_its_database(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": True}}


def test_one_check_that_does_not_hold_is_a_503() -> None:
    status, body = health.run({"one": lambda: True, "two": lambda: False})
    assert status == 503
    assert body == {"status": "unavailable", "checks": {"one": True, "two": False}}


def test_a_check_that_fails_does_not_hold() -> None:
    status, body = health.run({"one": lambda: bool(1 / 0)})
    assert (status, body["checks"]) == (503, {"one": False})


def test_a_worker_is_alive_by_its_heartbeat() -> None:
    assert not health.worker_is_alive()
    beat("worker")
    assert health.worker_is_alive()
    WorkerHeartbeat.objects.update(at=timezone.now() - timedelta(minutes=1))
    assert not health.worker_is_alive()

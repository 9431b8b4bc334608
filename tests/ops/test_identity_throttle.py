"""Failed logins are slowed down, by name and address; good ones never are."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from ops.identity import backends
from ops.identity.throttle import ADDRESS_FACTOR, LoginThrottle
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN = "/api/v1/auth/token/"
FAILURES = 3


@pytest.fixture(autouse=True)
def throttle(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginThrottle]:
    """A strict one, of the storage that the stack has."""
    ours = backends._throttle.limiter.storage
    ours.reset()
    strict = LoginThrottle("memory://", failures=FAILURES, window=60)
    strict.limiter.storage = ours
    monkeypatch.setattr(backends, "_throttle", strict)
    yield strict
    ours.reset()


def login(name: str = "developer", password: str = "wrong", address: str = "192.0.2.1") -> Any:
    body = {"username": name, "password": password}
    return APIClient(REMOTE_ADDR=address).post(LOGIN, body)


def fail(times: int, **who: str) -> None:
    for _ in range(times):
        assert login(**who).status_code == 401


def test_it_answers_429_after_too_many_failures(developer: User) -> None:
    fail(FAILURES)
    answer = login()
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["Content-Type"] == "application/problem+json"


def test_the_right_password_does_not_help_then(developer: User) -> None:
    fail(FAILURES)
    assert login(password=PASSWORD).status_code == 429


def test_a_name_is_the_same_in_any_case(developer: User) -> None:
    for name in ("developer", "Developer", "DEVELOPER"):
        fail(1, name=name)
    assert login().status_code == 429


def test_another_address_may_still_log_in(developer: User) -> None:
    fail(FAILURES)
    assert login(password=PASSWORD, address="192.0.2.2").status_code == 200


def test_another_name_may_still_log_in(developer: User, viewer: User) -> None:
    fail(FAILURES)
    assert login("viewer", PASSWORD).status_code == 200


def test_an_address_that_tries_many_names_is_slowed_down(developer: User) -> None:
    for number in range(FAILURES * ADDRESS_FACTOR):
        fail(1, name=f"user-{number}")
    assert login(password=PASSWORD).status_code == 429


def test_good_logins_are_not_counted(developer: User) -> None:
    for _ in range(FAILURES * ADDRESS_FACTOR + 1):
        assert login(password=PASSWORD).status_code == 200


def test_a_forged_address_does_not_help(developer: User) -> None:
    for number in range(FAILURES + 1):
        answer = APIClient(REMOTE_ADDR="192.0.2.1").post(
            LOGIN,
            {"username": "developer", "password": "wrong"},
            headers={"X-Forwarded-For": f"6.6.6.{number}"},
        )
    assert answer.status_code == 429


def test_a_counter_that_is_away_lets_people_in(
    developer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = LoginThrottle("redis://127.0.0.1:1/0", failures=1, window=60)
    monkeypatch.setattr(backends, "_throttle", away)
    fail(3)
    assert login(password=PASSWORD).status_code == 200


def test_what_it_refuses_is_counted(developer: User) -> None:
    name, labels = "aihub_limit_hits_total", {"limit": "login"}
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    fail(FAILURES)
    for _ in range(2):
        login()
    assert REGISTRY.get_sample_value(name, labels) == before + 2

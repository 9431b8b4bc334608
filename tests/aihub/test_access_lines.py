"""A line for every request that Django answers."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.middleware.locale import LocaleMiddleware
from django.test import Client

from tests.cast import PASSWORD
from tests.ecs import faults_of, template_fields
from tests.logged import logged, of

pytestmark = pytest.mark.django_db
MODELS = "/api/v1/models/"
BACKEND = "ops.identity.backends.ThrottledModelBackend"


def test_it_says_who_asked_for_what_and_how_it_ended(client: Client, owner: User) -> None:
    token = client.post(
        "/api/v1/auth/token/",
        {"username": "owner", "password": PASSWORD},
        content_type="application/json",
    ).json()["access"]
    headers = {"X-Request-ID": "asked-0001", "Authorization": f"Bearer {token}"}
    with logged() as lines:
        client.get(f"{MODELS}?search=secret-word", headers=headers)
    (line,) = of(lines, "request")
    assert line["message"] == f"GET {MODELS} 200"
    assert line["http"]["request"] == {"id": "asked-0001", "method": "GET"}
    assert line["event"]["outcome"] == "success"
    assert line["event"]["duration"] > 0
    assert line["user"]["id"] == f"user:{owner.pk}"
    assert line["client"]["ip"] == "127.0.0.1"
    assert "secret-word" not in str(line)
    assert faults_of(line, template_fields()) == []


def test_the_console_s_user_is_named_alike(client: Client, owner: User) -> None:
    client.force_login(owner, backend=BACKEND)
    with logged() as lines:
        client.get("/")
    assert of(lines, "request")[0]["user"]["id"] == f"user:{owner.pk}"


def test_nobody_is_looked_up_only_for_the_log(
    client: Client, owner: User, django_assert_num_queries: Any
) -> None:
    client.force_login(owner, backend=BACKEND)
    with logged() as lines, django_assert_num_queries(0):
        client.get("/static/console/console.css").close()
    assert "user" not in of(lines, "request")[0]


def test_a_refused_request_is_one_line(client: Client) -> None:
    with logged() as lines:
        assert client.get(MODELS).status_code == 401
        assert client.get("/nothing/here/").status_code == 404
    assert [line["http"]["response"]["status_code"] for line in lines] == [401, 404]
    assert {line["event"]["outcome"] for line in lines} == {"failure"}


def test_probes_are_for_debug_alone(client: Client) -> None:
    with logged() as lines:
        client.get("/livez")
    assert of(lines, "request") == []
    with logged(logging.DEBUG) as lines:
        client.get("/livez")
    assert len(of(lines, "request")) == 1


def test_a_failure_has_a_line_with_its_trace_and_the_line_of_its_request(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("token=abcdefgh12345678")

    monkeypatch.setattr(LocaleMiddleware, "process_request", fail)
    client.raise_request_exception = False
    with logged(logging.DEBUG) as lines:
        assert client.get("/api/docs/", headers={"X-Request-ID": "asked-0002"}).status_code == 500
    failed = [line for line in lines if "error" in line]
    assert failed[0]["error"]["type"] == "RuntimeError"
    assert "abcdefgh12345678" not in str(lines)
    assert {line["http"]["request"]["id"] for line in [*failed, *of(lines, "request")]} == {
        "asked-0002"
    }

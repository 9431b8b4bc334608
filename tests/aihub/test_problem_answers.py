"""Every error under `/api/` is a problem document, wherever it arises."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from aihub.env import MIB
from registry.api import models as model_views
from registry.models import Team
from tests.registry.making import make_model

pytestmark = pytest.mark.django_db
API = "/api/v1/"
ENDPOINTS = [
    *(("post", "models/"), ("patch", "models/digits/"), ("put", "models/digits/aliases/a/")),
    *(("patch", "models/digits/versions/1.0.0/"), ("post", "api-keys/")),
    *(("post", "auth/token/"), ("post", "auth/token/refresh/"), ("post", "auth/logout/")),
]
PATHS = [
    *("models/", "models/digits/", "models/digits/versions/", "models/digits/versions/1.0.0/"),
    *("models/digits/versions/1.0.0/download/", "models/digits/aliases/a/", "api-keys/"),
    *("api-keys/x/", "audit/", "auth/token/", "auth/token/refresh/", "auth/logout/"),
]


@pytest.fixture
def client(admin: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(admin)


@pytest.fixture(autouse=True)
def digits(alpha: Team) -> None:
    model = make_model(alpha)
    model.versions.create(version="1.0.0", version_key="1.0.0", sort_key="1")


def send(client: APIClient, method: str, path: str, body: bytes, kind: str = "json") -> Any:
    return client.generic(method.upper(), API + path, body, content_type=f"application/{kind}")


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """The document of an error, checked for its shape."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == answer["X-Request-ID"]
    return body


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "1.5", "true", "null", '[{"name": "x"}]'])
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_json_of_another_type_is_a_400_with_findings(
    client: APIClient, method: str, path: str, body: str
) -> None:
    assert problem_of(send(client, method, path, body.encode()), 400)["errors"]


MALFORMED = [
    *(b"{", b"{]", b"\xff\xfe", b"\x00", b'{"a": NaN}', b'{"a": Infinity}', b"'x'"),
    *(b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b'{"name": "\xff"}'),
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:12]))
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_malformed_json_is_a_400(client: APIClient, method: str, path: str, body: bytes) -> None:
    problem_of(send(client, method, path, body), 400)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_another_content_type_is_a_415(client: APIClient, method: str, path: str) -> None:
    problem_of(send(client, method, path, b"<a/>", "xml"), 415)


def test_json_in_place_of_a_form_is_a_415(client: APIClient) -> None:
    problem_of(send(client, "post", "models/digits/samples/", b"{}"), 415)


def test_a_publication_that_is_neither_a_form_nor_json_is_a_415(client: APIClient) -> None:
    problem_of(send(client, "post", "models/digits/versions/", b"<a/>", "xml"), 415)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=é", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"),
        ("multipart/form-data; boundary=b", b""),
    ],
)
def test_a_malformed_form_is_a_400(client: APIClient, content_type: str, body: bytes) -> None:
    path = f"{API}models/digits/versions/"
    problem_of(client.generic("POST", path, body, content_type=content_type), 400)


def test_a_form_of_too_many_fields_is_a_4xx(client: APIClient) -> None:
    path, form = f"{API}models/digits/versions/", {f"field-{n}": "x" for n in range(1500)}
    answer = client.post(path, form, format="multipart")
    problem_of(answer, answer.status_code)
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("path", ["", "nothing/", "models/a/b/c/d/", "models/digits/none/", "%00"])
def test_an_unknown_path_is_a_404(client: APIClient, anonymous: APIClient, path: str) -> None:
    for who in (client, anonymous):
        problem_of(who.get(API + path), 404)
    problem_of(anonymous.get(f"/api/{path}"), 404)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_another_method_is_a_405_that_names_the_right_ones(
    client: APIClient, path: str, method: str
) -> None:
    allowed = client.options(API + path)["Allow"].split(", ")
    if method not in allowed:
        answer = client.generic(method, API + path)
        problem_of(answer, 405)
        assert answer["Allow"].split(", ") == allowed


@pytest.mark.parametrize("junk", ["%00", "%ff%fe", "💥", "a%2Fb", "..%2f..", "x" * 2000, "%0d%0a"])
@pytest.mark.parametrize("path", [path for path in PATHS if "digits" in path])
def test_junk_in_a_path_is_a_4xx(client: APIClient, path: str, junk: str) -> None:
    for junk_path in (path.replace("digits", junk), path.replace("1.0.0", junk)):
        answer = client.get(API + junk_path)
        if junk_path != path:
            problem_of(answer, answer.status_code)
            assert 400 <= answer.status_code < 500


def test_an_answer_in_no_other_form_is_a_406(client: APIClient) -> None:
    problem_of(client.get(f"{API}models/", headers={"Accept": "image/png"}), 406)


def test_a_body_over_the_limit_is_a_413(client: APIClient) -> None:
    body = json.dumps({"name": "x" * (5 * MIB)}).encode()
    problem_of(send(client, "post", "models/", body), 413)


@pytest.mark.parametrize(
    ("length", "status"), [("-1", 400), ("x", 400), ("²", 400), ("9" * 30, 413)]
)
def test_a_length_that_is_none_is_a_4xx(client: APIClient, length: str, status: int) -> None:
    answer = client.post(f"{API}models/", {}, CONTENT_LENGTH=length)
    problem_of(answer, status)


def test_a_publication_may_be_as_large_as_the_setting_says(client: APIClient) -> None:
    path = f"{API}models/digits/versions/"
    length = str(settings.ENV.AIHUB_MULTIPART_MAX + 1)
    problem_of(client.post(path, {}, format="multipart", CONTENT_LENGTH=length), 413)


def test_a_body_of_unknown_length_is_a_411(client: APIClient) -> None:
    answer = client.post(f"{API}models/", {}, headers={"Transfer-Encoding": "chunked"})
    problem_of(answer, 411)


def test_a_database_that_is_away_is_a_503(client: APIClient) -> None:
    def away(*arguments: Any) -> Any:
        raise OperationalError("gone")

    with connection.execute_wrapper(away):
        answer = client.get(f"{API}models/")
    problem_of(answer, 503)
    assert answer["Retry-After"]


def test_an_error_nobody_foresaw_is_a_500_that_tells_nothing(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(model_views, "caller", fail)
    client.raise_request_exception = False
    answer = client.get(f"{API}models/")
    assert "hunter2" not in json.dumps(problem_of(answer, 500))


def test_a_problem_is_told_in_the_callers_language(client: APIClient) -> None:
    answer = client.get(f"{API}models/none/", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert not problem_of(answer, 404)["detail"].isascii()
    assert "There is no model" not in answer.json()["detail"]


def test_a_request_keeps_its_id(client: APIClient) -> None:
    answer = client.get(f"{API}models/none/", headers={"X-Request-ID": "request-1"})
    assert problem_of(answer, 404)["request_id"] == "request-1"


@pytest.mark.parametrize("path", ["livez", "readyz", "metrics", "api/schema/", "api/docs/"])
def test_what_is_open_to_all_answers(anonymous: APIClient, path: str) -> None:
    assert anonymous.get(f"/{path}").status_code == 200

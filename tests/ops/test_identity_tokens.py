"""Tokens: who gets one, which are taken, and how each of them ends."""

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
AUTH = "/api/v1/auth/"
MODELS = "/api/v1/models/"
SECRET = settings.SECRET_KEY


def login(client: APIClient, name: str = "developer", password: str = PASSWORD) -> Any:
    return client.post(f"{AUTH}token/", {"username": name, "password": password})


def refresh(client: APIClient, token: str) -> Any:
    return client.post(f"{AUTH}token/refresh/", {"refresh": token})


def status_with(authorization: str) -> int:
    """What a list answers to this header; every refusal says how to do better."""
    answer = APIClient().get(MODELS, headers={"Authorization": authorization})
    if answer.status_code == 401:
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert answer["Content-Type"] == "application/problem+json"
    return int(answer.status_code)


def signed(
    payload: dict[str, Any], key: str = settings.SECRET_KEY, algorithm: str = "HS256"
) -> str:
    return jwt.encode(payload, key, algorithm=algorithm)


@pytest.fixture
def access(developer: User) -> AccessToken:
    return AccessToken.for_user(developer)


def test_a_login_gives_two_tokens(developer: User, anonymous: APIClient) -> None:
    answer = login(anonymous)
    assert answer.status_code == 200
    assert answer.json().keys() == {"access", "refresh"}
    assert status_with(f"Bearer {answer.json()['access']}") == 200
    developer.refresh_from_db()
    assert developer.last_login


@pytest.mark.parametrize(
    ("name", "password"), [("developer", "wrong"), ("nobody", PASSWORD), ("dev\0", PASSWORD)]
)
def test_a_wrong_login_is_a_401(
    developer: User, anonymous: APIClient, name: str, password: str
) -> None:
    answer = login(anonymous, name, password)
    assert answer.status_code == (400 if "\0" in name else 401)
    assert PASSWORD not in answer.content.decode()


def test_a_deactivated_user_cannot_log_in(developer: User, anonymous: APIClient) -> None:
    User.objects.update(is_active=False)
    assert login(anonymous).status_code == 401


def test_no_header_is_a_401(anonymous: APIClient) -> None:
    answer = anonymous.get(MODELS)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        *(
            "",
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Bearer a.b.c",
            "Basic YTpi",
            "Api-Key",
            "Api-Key x",
        ),
        *("bearer\ttoken", "Bearer " + "x" * 10_000, "Bearer ..", "Token abc", "Bearer é", "💥"),
        *("Api-Key aihub_00000000_x", "Bearer null", "Bearer {}", "Bearer \x00"),
    ],
)
def test_garbage_is_a_401(header: str) -> None:
    assert status_with(header) == 401


def test_an_expired_token_is_a_401(access: AccessToken) -> None:
    access.set_exp(from_time=timezone.now() - timedelta(hours=1), lifetime=timedelta(minutes=30))
    assert status_with(f"Bearer {access}") == 401


def test_a_token_that_expires_after_it_was_verified_is_a_401(
    access: AccessToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status_with(f"Bearer {access}") == 200
    monkeypatch.setattr("ops.identity.credentials.time.time", lambda: access["exp"] + 1.0)
    assert status_with(f"Bearer {access}") == 401


def test_a_tampered_token_is_a_401(access: AccessToken, admin: User) -> None:
    header, _, signature = str(access).split(".")
    payload = json.dumps(access.payload | {"user_id": str(admin.pk)}).encode()
    forged = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    assert status_with(f"Bearer {header}.{forged}.{signature}") == 401


def test_an_unsigned_token_is_a_401(access: AccessToken) -> None:
    unsigned = signed(access.payload, key="", algorithm="none")
    assert status_with(f"Bearer {unsigned}") == 401
    assert status_with(f"Bearer {unsigned.rstrip('.')}") == 401


@pytest.mark.parametrize(
    ("key", "algorithm"), [("another secret " * 4, "HS256"), (SECRET, "HS512")]
)
def test_a_token_signed_otherwise_is_a_401(access: AccessToken, key: str, algorithm: str) -> None:
    assert status_with(f"Bearer {signed(access.payload, key * 2, algorithm)}") == 401


@pytest.mark.parametrize("claim", ["exp", "jti", "token_type", "user_id", "iss", "hash_password"])
def test_a_token_without_a_claim_is_a_401(access: AccessToken, claim: str) -> None:
    payload = {name: value for name, value in access.payload.items() if name != claim}
    if claim == "iss":
        payload["iss"] = "someone else"
    assert status_with(f"Bearer {signed(payload)}") == 401


@pytest.mark.parametrize("user_id", ["", "x", None, [], 10**30, -1])
def test_a_token_of_nobody_is_a_401(access: AccessToken, user_id: Any) -> None:
    assert status_with(f"Bearer {signed(access.payload | {'user_id': user_id})}") == 401


def test_a_refresh_token_gives_no_access(developer: User) -> None:
    assert status_with(f"Bearer {RefreshToken.for_user(developer)}") == 401


def test_an_access_token_refreshes_nothing(access: AccessToken, anonymous: APIClient) -> None:
    assert refresh(anonymous, str(access)).status_code == 401


@pytest.mark.parametrize("end", ["deactivated", "deleted", "password"])
def test_tokens_end_with_what_they_stand_for(
    developer: User, anonymous: APIClient, end: str
) -> None:
    tokens = login(anonymous).json()
    if end == "deactivated":
        User.objects.update(is_active=False)
    elif end == "deleted":
        developer.delete()
    else:
        developer.set_password("another " + PASSWORD)
        developer.save()
    assert status_with(f"Bearer {tokens['access']}") == 401
    answer = refresh(anonymous, tokens["refresh"])
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"]


def test_a_refresh_token_is_used_once(developer: User, anonymous: APIClient) -> None:
    first = login(anonymous).json()
    second = refresh(anonymous, first["refresh"])
    assert second.status_code == 200
    assert status_with(f"Bearer {second.json()['access']}") == 200
    assert refresh(anonymous, first["refresh"]).status_code == 401
    assert refresh(anonymous, second.json()["refresh"]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_uses_of_a_refresh_token_one_succeeds(developer: User) -> None:
    token, barrier = str(RefreshToken.for_user(developer)), threading.Barrier(6)

    def use(number: int) -> int:
        try:
            barrier.wait(30)
            return int(refresh(APIClient(), token).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(use, range(6))) == [200, 401, 401, 401, 401, 401]


def test_a_refresh_token_that_the_hub_does_not_remember_is_a_401(
    developer: User, anonymous: APIClient
) -> None:
    """After a restore nothing says which were used."""
    token = login(anonymous).json()["refresh"]
    OutstandingToken.objects.all().delete()
    assert refresh(anonymous, token).status_code == 401


def test_a_logout_ends_the_refresh_token(developer: User, anonymous: APIClient) -> None:
    token = login(anonymous).json()["refresh"]
    assert anonymous.post(f"{AUTH}logout/", {"refresh": token}).status_code == 204
    assert refresh(anonymous, token).status_code == 401
    assert anonymous.post(f"{AUTH}logout/", {"refresh": token}).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000, "\0", None, 1, [], {}])
@pytest.mark.parametrize("path", ["token/refresh/", "logout/"])
def test_a_refresh_token_that_is_none_is_a_4xx(anonymous: APIClient, path: str, token: Any) -> None:
    answer = anonymous.post(AUTH + path, {"refresh": token})
    assert answer.status_code in (400, 401)


@pytest.mark.parametrize("value", [None, 1, [], {}, ["x"], True, "", "\0", "x" * 2000])
@pytest.mark.parametrize("field", ["username", "password"])
def test_a_login_of_the_wrong_types_is_a_400(anonymous: APIClient, field: str, value: Any) -> None:
    body = {"username": "developer", "password": PASSWORD, field: value}
    answer = anonymous.post(f"{AUTH}token/", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_a_bad_header_does_not_keep_one_from_logging_in(
    developer: User, anonymous: APIClient
) -> None:
    anonymous.credentials(HTTP_AUTHORIZATION="Bearer expired")
    assert login(anonymous).status_code == 200


def test_a_session_needs_its_csrf_token(
    developer: User, client_of: Callable[[User], APIClient]
) -> None:
    client = APIClient(enforce_csrf_checks=True)
    assert client.login(username="developer", password=PASSWORD)
    body = {"name": "digits", "team": "alpha"}
    assert client.get(MODELS).status_code == 200
    assert client.post(MODELS, body).status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(MODELS, body, headers={"X-CSRFToken": "b" * 32}).status_code == 403
    assert client.post(MODELS, body, headers={"X-CSRFToken": "a" * 32}).status_code == 201

"""The hub's key is replaced: what the old one signed is taken while that is listed, no longer."""

import hashlib
import hmac
import io
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from aihub.events import SYSTEM
from ops.models import Webhook
from ops.notifications.signing import key_id, secret_of
from ops.notifications.webhooks import webhook_create, webhook_rotate
from registry import manifests
from registry.models import Team
from registry.parts_folder import FolderParts, signature_holds
from registry.parts_types import STAGED
from registry.storage import LocalBlobStorage
from tests.ops.making import URL
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
OLD = "the key that this hub had before, and that leaked"
listed = override_settings(SECRET_KEY_FALLBACKS=["one that came in between, as long as any", OLD])


def by_old_key(token: Any) -> str:
    payload = {**token.payload, "iss": "aihub"}
    return jwt.encode(payload, OLD, algorithm="HS256")


def status_with(token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return int(APIClient().get("/api/v1/models/", headers=headers).status_code)


def test_a_token_holds_while_its_key_is_listed(developer: User) -> None:
    token = by_old_key(AccessToken.for_user(developer))
    assert status_with(token) == 401
    with listed:
        assert status_with(token) == 200
        assert status_with(str(AccessToken.for_user(developer))) == 200


def test_a_refresh_token_gets_a_pair_of_the_new_key(developer: User, anonymous: APIClient) -> None:
    token = by_old_key(RefreshToken.for_user(developer))
    path = "/api/v1/auth/token/refresh/"
    assert anonymous.post(path, {"refresh": token}).status_code == 401
    with listed:
        pair = anonymous.post(path, {"refresh": token})
        assert pair.status_code == 200
    jwt.decode(pair.json()["access"], settings.SECRET_KEY, algorithms=["HS256"], issuer="aihub")


def test_an_expired_token_of_an_old_key_stays_expired(developer: User) -> None:
    token = AccessToken.for_user(developer)
    token["exp"] = 1
    with listed:
        assert status_with(by_old_key(token)) == 401


def test_a_session_goes_on(developer: User, client: Client) -> None:
    with override_settings(SECRET_KEY=OLD):
        client.force_login(developer)
    with listed:
        assert client.get("/account/").status_code == 200
    assert client.get("/account/").status_code == 200  # it was signed anew meanwhile


def test_a_session_ends_with_its_key(developer: User, client: Client) -> None:
    with override_settings(SECRET_KEY=OLD):
        client.force_login(developer)
    assert client.get("/account/").status_code == 302


def test_an_address_for_a_part_goes_on(tmp_path: Path) -> None:
    parts = FolderParts(LocalBlobStorage(location=str(tmp_path)))
    with override_settings(SECRET_KEY=OLD):
        url = parts.url(f"{STAGED}some-upload", "folder", 1, 10)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    address = ("some-upload", 1, asked["expires"], asked["signature"])
    assert not signature_holds(*address)
    with listed:
        assert signature_holds(*address)


def test_a_webhook_keeps_the_secret_that_its_receiver_knows_until_it_is_rotated(
    alpha: Team,
) -> None:
    with override_settings(SECRET_KEY=OLD):
        webhook, told = hook(alpha)
    with listed:
        assert secret_of(webhook.salt, webhook.key_id) == told
        told = webhook_rotate(webhook, principal=SYSTEM)
    webhook.refresh_from_db()
    assert secret_of(webhook.salt, webhook.key_id) == told
    assert webhook.key_id == key_id()


def test_a_webhook_of_a_key_that_is_listed_no_more_signs_with_the_present_one(alpha: Team) -> None:
    with override_settings(SECRET_KEY=OLD):
        webhook, told = hook(alpha)
    assert secret_of(webhook.salt, webhook.key_id) != told


def test_what_names_a_key_does_not_give_it_away() -> None:
    assert key_id(OLD) not in (hashlib.sha256(OLD.encode()).hexdigest()[:16], key_id())
    assert hmac.compare_digest(key_id(), key_id(settings.SECRET_KEY))


def test_resealing_moves_seals_to_the_present_key(alpha: Team) -> None:
    with override_settings(SECRET_KEY=OLD):
        version = make_ready(publish(make_model(alpha)))
    assert not manifests.is_intact(version)
    with listed:
        assert manifests.is_intact(version)
        call_command("reseal", stdout=io.StringIO())
        version.refresh_from_db()
    assert manifests.is_intact(version)


def hook(team: Team) -> tuple[Webhook, str]:
    return webhook_create(principal=SYSTEM, team=team, name="chat", url=URL, events=[])

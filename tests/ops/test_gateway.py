"""API keys as the consumers of a gateway."""

from datetime import timedelta
from io import StringIO

import pytest
import yaml
from django.core.management import call_command
from django.utils import timezone

from aihub.events import SYSTEM
from ops.keys import key_create, key_revoke
from registry.models import Team

pytestmark = pytest.mark.django_db


def printed(monkeypatch: pytest.MonkeyPatch, *keys: str) -> tuple[str, str]:
    """What the command writes to standard output and to standard error."""
    monkeypatch.setattr("sys.stdin", StringIO("\n".join(keys)))
    out, err = StringIO(), StringIO()
    call_command("gateway_consumers", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_key_becomes_a_consumer_of_its_team(alpha: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = key_create(principal=SYSTEM, team=alpha, name="app", actions=["predict"])
    out, err = printed(monkeypatch, secret, "")
    assert yaml.safe_load(out) == [
        {
            "username": f"alpha-{key.prefix}",
            "custom_id": key.prefix,
            "tags": ["team:alpha"],
            "keyauth_credentials": [{"key": f"Api-Key {secret}"}],
        }
    ]
    assert err == ""


def test_keys_that_do_not_hold_are_left_out(alpha: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    past = timezone.now() - timedelta(seconds=1)
    _, expired = key_create(
        principal=SYSTEM, team=alpha, name="app", actions=["predict"], expires_at=past
    )
    key, revoked = key_create(principal=SYSTEM, team=alpha, name="app", actions=["predict"])
    key_revoke(key, principal=SYSTEM)
    out, err = printed(monkeypatch, expired, revoked, "aihub_00000000_nobody")
    assert out == ""
    assert err.strip() == "3 of the keys do not hold, and are left out."

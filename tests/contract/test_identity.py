"""Identity at both doors of a running hub: what ends is dead within two seconds."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.cast import PASSWORD
from tests.contract.calls import API, predict_json, published, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub

WITHIN = 2.0  # seconds
GUEST = """
import django
django.setup()
from django.contrib.auth.models import User
from registry.models import Membership, Team
user = User.objects.create_user({name!r}, password={password!r})
Membership.objects.create(user=user, team=Team.objects.get(name="alpha"), role="viewer")
"""


@pytest.fixture(scope="module")
def model(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = unique("plus-one")
    file = tiny_onnx(tmp_path_factory.mktemp("identity") / "t.onnx")
    published(hub, name, "1.0.0", file, task="tensor", team="alpha")
    return name


def call(client: httpx.Client, model: str) -> int:
    return predict_json(client, model, [[0, 0, 0, 0]]).status_code


def make_key(hub: Hub, *actions: str, **fields: Any) -> tuple[httpx.Client, str]:
    """A client that uses a new key of team alpha, and the key's path."""
    sent = {"name": "app", "team": "alpha", "actions": actions, **fields}
    made = hub.client("owner").post(f"{API}/api-keys/", json=sent).json()
    client = hub.anonymous()
    client.headers["Authorization"] = f"Api-Key {made['key']}"
    return client, f"{API}/api-keys/{made['prefix']}/"


def assert_soon(holds: Callable[[], bool], within: float = WITHIN) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline


def guest(hub: Hub) -> tuple[str, httpx.Client]:
    """Somebody of team alpha whom no other test knows."""
    name = unique("guest")
    hub.run_python(GUEST.format(name=name, password=PASSWORD))
    return name, hub.client(name)


def test_a_key_predicts_within_two_seconds_and_until_it_is_revoked(hub: Hub, model: str) -> None:
    client, path = make_key(hub, "predict")
    assert_soon(lambda: call(client, model) == 200)
    assert hub.client("owner").delete(path).status_code == 204
    assert_soon(lambda: call(client, model) == 401)
    assert client.get(f"{API}/models/").status_code == 401


@pytest.mark.parametrize(
    ("actions", "models", "status"),
    [
        (["predict"], [], 200),
        (["read"], [], 403),
        (["predict"], ["another"], 404),
        (["publish"], [], 403),
    ],
)
def test_a_key_may_do_what_it_was_given(
    hub: Hub, model: str, actions: list[str], models: list[str], status: int
) -> None:
    client, _ = make_key(hub, *actions, models=models)
    assert_soon(lambda: call(client, model) != 401)
    assert call(client, model) == status


def test_a_token_predicts_without_its_user_being_asked_for(hub: Hub, model: str) -> None:
    assert call(hub.client("viewer"), model) == 200


def test_a_deactivated_user_is_dead_within_two_seconds(hub: Hub, model: str) -> None:
    name, client = guest(hub)
    assert_soon(lambda: call(client, model) == 200)
    hub.run_python(
        "import django; django.setup()\n"
        "from django.contrib.auth.models import User\n"
        f"user = User.objects.get(username={name!r}); user.is_active = False; user.save()"
    )
    assert_soon(lambda: call(client, model) == 401)
    assert client.get(f"{API}/models/").status_code == 401


def test_a_changed_password_ends_tokens_within_two_seconds(hub: Hub, model: str) -> None:
    name, client = guest(hub)
    assert_soon(lambda: call(client, model) == 200)
    hub.run_python(
        "import django; django.setup()\n"
        "from django.contrib.auth.models import User\n"
        f"user = User.objects.get(username={name!r}); user.set_password('x' * 20); user.save()"
    )
    assert_soon(lambda: call(client, model) == 401)


def test_who_leaves_a_team_is_out_within_two_seconds(hub: Hub, model: str) -> None:
    name, client = guest(hub)
    assert_soon(lambda: call(client, model) == 200)
    hub.run_python(
        "import django; django.setup()\n"
        "from registry.models import Membership\n"
        f"Membership.objects.get(user__username={name!r}).delete()"
    )
    assert_soon(lambda: call(client, model) == 404)


def test_a_forged_token_is_refused_at_both_doors(hub: Hub, model: str) -> None:
    client = hub.client("viewer")
    header, payload, signature = client.headers["Authorization"].split(" ")[1].split(".")
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    for forged in (
        f"{unsigned}.{payload}.",
        f"{unsigned}.{payload}.{signature}",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload[:-2]}.{signature}",
    ):
        client.headers["Authorization"] = f"Bearer {forged}"
        assert call(client, model) == 401
        assert client.get(f"{API}/models/").status_code == 401
    del client.headers["Authorization"]
    assert call(client, model) == 401

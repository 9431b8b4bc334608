"""The database of a new hub: the administrator and their password, the first team."""

import io
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import override_settings

from aihub.env import Env
from aihub.events import SYSTEM
from ops.launch import bootstrap
from ops.launch.preflight import CannotStart
from ops.models import Webhook
from ops.notifications.signing import secret_of
from ops.notifications.webhooks import webhook_create
from registry.models import Team
from tests.ops.making import URL

pytestmark = pytest.mark.django_db


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return replace(settings.ENV, AIHUB_HOME=tmp_path, AIHUB_ADMIN_PASSWORD="")


def test_it_generates_a_password_that_only_its_owner_can_read(env: Env) -> None:
    made = bootstrap.administrator_ensure(env)
    path = bootstrap.password_path(env.AIHUB_HOME)
    assert made.just_made
    assert made.password == path.read_text().strip()
    assert len(made.password) >= 16
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    admin = User.objects.get(username="admin")
    assert admin.check_password(made.password)
    assert admin.is_superuser


def test_a_second_start_changes_nothing(env: Env) -> None:
    first = bootstrap.administrator_ensure(env)
    hashed = User.objects.get(username="admin").password
    second = bootstrap.administrator_ensure(env)
    assert (second.password, second.just_made) == (first.password, False)
    assert User.objects.get(username="admin").password == hashed


def test_a_password_of_the_environment_is_used_and_kept_nowhere(env: Env) -> None:
    made = bootstrap.administrator_ensure(replace(env, AIHUB_ADMIN_PASSWORD="given by hand"))
    assert made == bootstrap.Administrator("admin", "given by hand")
    assert User.objects.get(username="admin").check_password("given by hand")
    assert list(env.AIHUB_HOME.iterdir()) == []


def test_a_changed_password_of_the_environment_is_set(env: Env) -> None:
    bootstrap.administrator_ensure(env)
    bootstrap.administrator_ensure(replace(env, AIHUB_ADMIN_PASSWORD="given by hand"))
    assert User.objects.get(username="admin").check_password("given by hand")
    assert not bootstrap.password_path(env.AIHUB_HOME).exists()


def test_the_same_password_of_the_environment_keeps_the_tokens_valid(env: Env) -> None:
    given = replace(env, AIHUB_ADMIN_PASSWORD="given by hand")
    bootstrap.administrator_ensure(given)
    hashed = User.objects.get(username="admin").password
    bootstrap.administrator_ensure(given)
    assert User.objects.get(username="admin").password == hashed


def test_a_password_that_a_person_changed_is_left_alone(env: Env) -> None:
    bootstrap.administrator_ensure(env)
    admin = User.objects.get(username="admin")
    admin.set_password("their own")
    admin.save()
    assert bootstrap.administrator_ensure(env).password is None
    assert User.objects.get(username="admin").check_password("their own")


def test_the_default_team_is_made_once(env: Env) -> None:
    bootstrap.prepare(env)
    bootstrap.prepare(env)
    assert Team.objects.filter(name="default").count() == 1


def test_a_webhook_that_names_no_key_keeps_its_secret_when_the_key_is_replaced(env: Env) -> None:
    """Code from before webhooks knew their key made it, while an upgrade rolled on."""
    webhook, told = webhook_create(principal=SYSTEM, team=None, name="chat", url=URL, events=[])
    Webhook.objects.update(key_id="")
    bootstrap.prepare(env)
    webhook.refresh_from_db()
    after = {"SECRET_KEY": "the key after that", "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY]}
    with override_settings(**after):
        bootstrap.prepare(env)
        webhook.refresh_from_db()
        assert secret_of(webhook.salt, webhook.key_id) == told


def test_a_models_file_that_does_not_fit_gets_one_sentence(env: Env, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("models: 3")
    with pytest.raises(CannotStart, match="AIHUB_MODELS_FILE: .*models.yaml"):
        bootstrap.prepare(replace(env, AIHUB_MODELS_FILE=file))


def test_a_command_does_it_for_roles_that_start_by_themselves(
    env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ENV", replace(env, AIHUB_ADMIN_PASSWORD="given by hand"))
    said = io.StringIO()
    call_command("prepare", stdout=said, no_color=True)
    assert said.getvalue() == "✓ The database is up to date.\n"
    assert User.objects.get(username="admin").check_password("given by hand")
    assert Team.objects.filter(name="default").exists()


def test_the_command_says_in_one_sentence_why_it_cannot(
    env: Env, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("models: 3")
    monkeypatch.setattr(settings, "ENV", replace(env, AIHUB_MODELS_FILE=file))
    with pytest.raises(SystemExit, match="AIHub cannot start. AIHUB_MODELS_FILE: "):
        call_command("prepare", stdout=io.StringIO())

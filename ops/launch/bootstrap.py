"""Brings the database to what the hub needs: tables, the administrator, the first team."""

from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.management import call_command
from django.utils.translation import gettext

from aihub.env import Env, kept_secret
from aihub.problems import Problem
from ops.launch.preflight import CannotStart
from ops.notifications.webhooks import webhooks_remember_key
from registry.models.teams import DEFAULT_TEAM, Team
from registry.services.models_file import publish_missing

ADMIN = "admin"
PASSWORD_LENGTH = 12  # bytes of randomness: 16 characters


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who signs in first. `password` is None when a person has changed it since."""

    name: str
    password: str | None
    just_made: bool = False


def prepare(env: Env) -> Administrator:
    """Make whatever is missing, change nothing else."""
    call_command("migrate", interactive=False, verbosity=0)
    webhooks_remember_key()
    Team.objects.get_or_create(name=DEFAULT_TEAM)
    administrator = administrator_ensure(env)
    if env.AIHUB_MODELS_FILE:
        _publish_declared(env.AIHUB_MODELS_FILE)
    return administrator


def _publish_declared(path: Path) -> None:
    try:
        publish_missing(path)
    except Problem as problem:
        raise CannotStart(f"AIHUB_MODELS_FILE: {problem.detail(gettext)}") from problem


def password_path(home: Path) -> Path:
    return home / "admin-password"


def administrator_ensure(env: Env) -> Administrator:
    """The user `admin`, with the password of the environment or else a generated, kept one."""
    user = get_user_model()._default_manager.filter(username=ADMIN).first()
    if env.AIHUB_ADMIN_PASSWORD:
        return _with_given_password(env, user)
    if user is None:
        return _with_generated_password(env)
    return _as_found(env, user)


def _with_given_password(env: Env, user: AbstractUser | None) -> Administrator:
    password = env.AIHUB_ADMIN_PASSWORD
    if user is None:
        _create(password)
    elif not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    # One that was generated before holds no longer, and would only mislead.
    password_path(env.AIHUB_HOME).unlink(missing_ok=True)
    return Administrator(ADMIN, password)


def _with_generated_password(env: Env) -> Administrator:
    password = kept_secret(password_path(env.AIHUB_HOME), length=PASSWORD_LENGTH)
    _create(password)
    return Administrator(ADMIN, password, just_made=True)


def _as_found(env: Env, user: AbstractUser) -> Administrator:
    path = password_path(env.AIHUB_HOME)
    password = path.read_text().strip() if path.is_file() else None
    holds = password is not None and user.check_password(password)
    return Administrator(ADMIN, password if holds else None)


def _create(password: str) -> None:
    get_user_model()._default_manager.create_superuser(ADMIN, password=password)

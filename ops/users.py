"""Creating and editing users. A user is never deleted: what they did stays theirs."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from aihub.access import Principal
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from ops.models import Profile


def user_create(*, principal: Principal, username: str, password: str, **fields: Any) -> User:
    """Make a user, who is in no team yet."""
    with transaction.atomic():
        user = User.objects.create_user(username, password=password, **fields)
        _emit("user.created", user, principal, administrator=user.is_superuser)
    return user


def user_update(user: User, *, principal: Principal, changes: Mapping[str, Any]) -> User:
    """Change a user; `Problem` 409 where no active administrator would be left."""
    with transaction.atomic():
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))
        if not User.objects.filter(is_superuser=True, is_active=True).exists():
            raise Problem(409, N_("This is the last active administrator; appoint another first."))
        _emit("user.updated", user, principal, changed=sorted(changes))
    return user


def user_write_to(user: User, *, principal: Principal, email: str, language: str) -> None:
    """Say where a person is written to, and in which language."""
    changed = ["email", "language"] if user.email != email else ["language"]
    user.email = email
    with transaction.atomic():
        user.save(update_fields=["email"])
        Profile.objects.update_or_create(user=user, defaults={"language": language})
        _emit("user.updated", user, principal, changed=changed)


def user_set_password(user: User, *, principal: Principal, password: str) -> None:
    """Change a password, which ends the tokens and sessions made before."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        _emit("user.password_changed", user, principal)


def _emit(name: str, user: User, principal: Principal, **data: Any) -> None:
    emit(Event(name, user.get_username(), principal, data=data))

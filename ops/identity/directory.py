"""Who exists: users and API keys, as both doors look them up.

The control API reads them from the database; prediction from a snapshot of the same records.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.contrib.auth import get_user_model
from rest_framework_simplejwt.utils import get_md5_hash_password

from aihub.access import Action, Principal, Role, Scope
from ops.models import ApiKey
from registry.models import Membership

# What a key's holder may be in its team: enough for any action a key can be given.
_KEY_ROLE = Role.DEVELOPER


@dataclass(frozen=True, slots=True)
class UserRecord:
    """An active user. `stamp` changes with the password, which ends the tokens made before."""

    id: int
    principal: Principal
    stamp: str


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key that is not revoked. `expires_at` is in seconds since the epoch, or None."""

    id: int
    principal: Principal
    expires_at: float | None

    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= time.time()


class Directory(Protocol):
    """Where a credential's owner is looked up."""

    def user(self, user_id: int) -> UserRecord | None: ...

    def key(self, digest: str) -> KeyRecord | None: ...


class DatabaseDirectory:
    """Always current: one or two queries a look-up."""

    def user(self, user_id: int) -> UserRecord | None:
        users = get_user_model().objects.filter(pk=user_id, is_active=True)
        return next(iter(_users(users)), None)

    def key(self, digest: str) -> KeyRecord | None:
        return next(iter(_keys(ApiKey.objects.filter(digest=digest)).values()), None)


@dataclass(frozen=True)
class Identities:
    """Everyone, in memory; implements `Directory` without a query."""

    users: Mapping[int, UserRecord] = field(default_factory=dict)
    keys: Mapping[str, KeyRecord] = field(default_factory=dict)

    def user(self, user_id: int) -> UserRecord | None:
        return self.users.get(user_id)

    def key(self, digest: str) -> KeyRecord | None:
        return self.keys.get(digest)


def identities_load() -> Identities:
    """Everyone who may call, from the database."""
    users = _users(get_user_model().objects.filter(is_active=True))
    return Identities({user.id: user for user in users}, _keys(ApiKey.objects.all()))


def principal_find(principal_id: str) -> Principal | None:
    """The principal of an id, with the rights of this moment; None where it may call no more."""
    kind, _, name = principal_id.partition(":")
    if kind == "key":
        key = next(iter(_keys(ApiKey.objects.filter(prefix=name)).values()), None)
        return key.principal if key and not key.expired() else None
    user = DatabaseDirectory().user(int(name)) if kind == "user" else None
    return user.principal if user else None


def user_record(user: Any) -> UserRecord:
    """The record of one user."""
    return _users(get_user_model().objects.filter(pk=user.pk))[0]


def _users(users: Any) -> list[UserRecord]:
    roles: dict[int, dict[int, Role]] = {}
    memberships = Membership.objects.filter(user__in=users.values("pk"))
    for user_id, team_id, role in memberships.values_list("user_id", "team_id", "role"):
        roles.setdefault(user_id, {})[team_id] = Role(role)
    return [
        UserRecord(
            id=pk,
            principal=Principal(f"user:{pk}", name, roles.get(pk, {}), is_admin=is_admin),
            stamp=get_md5_hash_password(password),
        )
        for pk, name, is_admin, password in users.values_list(
            "pk", "username", "is_superuser", "password"
        )
    ]


def _keys(keys: Any) -> dict[str, KeyRecord]:
    return {key.digest: _key_record(key) for key in keys.filter(revoked_at=None)}


def _key_record(key: ApiKey) -> KeyRecord:
    scope = Scope(
        actions=frozenset(Action(action) for action in key.actions),
        models=frozenset(name.lower() for name in key.model_names),
    )
    principal = Principal(
        f"key:{key.prefix}",
        key.name,
        {key.team_id: _KEY_ROLE},
        scope=scope,
        on_behalf_of=key.created_by,
    )
    expires_at = key.expires_at.timestamp() if key.expires_at else None
    return KeyRecord(key.pk, principal, expires_at)


def dump(identities: Identities) -> dict[str, Any]:
    """The JSON form; it holds digests, never a secret."""
    return {
        "users": [
            [user.id, _dump_principal(user.principal), user.stamp]
            for user in identities.users.values()
        ],
        "keys": [
            [digest, key.id, _dump_principal(key.principal), key.expires_at]
            for digest, key in identities.keys.items()
        ],
    }


def parse(data: Any) -> Identities:
    """The inverse of `dump`."""
    users = [UserRecord(pk, _parse_principal(who), stamp) for pk, who, stamp in data["users"]]
    return Identities(
        users={user.id: user for user in users},
        keys={
            digest: KeyRecord(pk, _parse_principal(who), expires_at)
            for digest, pk, who, expires_at in data["keys"]
        },
    )


def _dump_principal(principal: Principal) -> dict[str, Any]:
    scope = principal.scope
    return {
        "id": principal.id,
        "name": principal.name,
        "is_admin": principal.is_admin,
        "roles": {str(team): role.value for team, role in principal.roles.items()},
        "scope": [sorted(scope.actions), sorted(scope.models)] if scope else None,
        "on_behalf_of": principal.on_behalf_of,
    }


def _parse_principal(data: Any) -> Principal:
    scope = data["scope"]
    return Principal(
        id=data["id"],
        name=data["name"],
        is_admin=data["is_admin"],
        roles={int(team): Role(role) for team, role in data["roles"].items()},
        scope=Scope(frozenset(map(Action, scope[0])), frozenset(scope[1])) if scope else None,
        on_behalf_of=data.get("on_behalf_of", ""),  # files of before have none
    )

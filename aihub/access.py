"""Who may do what: one table, read by every door (control API, prediction, console).

A door authenticates and hands a plain `Principal` inward. Everything is denied unless a row
of `ALLOWED` permits it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Action(StrEnum):
    """What one may do with a team's models."""

    READ = "read"
    PREDICT = "predict"
    PUBLISH = "publish"  # create and edit models and versions, move aliases
    DELETE = "delete"  # models and versions
    MANAGE = "manage"  # the team's members and API keys, its audit trail, circuit breakers


class Role(StrEnum):
    VIEWER = "viewer"
    DEVELOPER = "developer"
    OWNER = "owner"


ALLOWED: Mapping[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.READ, Action.PREDICT}),
    Role.DEVELOPER: frozenset({Action.READ, Action.PREDICT, Action.PUBLISH}),
    Role.OWNER: frozenset(Action),
}

# What every signed-in user may do with a model whose team shares it.
SHARED: frozenset[Action] = frozenset({Action.READ, Action.PREDICT})

# What an API key can be given at all: keys neither delete nor manage.
KEY_ACTIONS: frozenset[Action] = frozenset({Action.READ, Action.PREDICT, Action.PUBLISH})


class Owned(Protocol):
    """What access is decided on: a model, or its entry in the routing snapshot."""

    @property
    def team_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def shared(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What an API key is narrowed to: actions, and model names (empty means every model)."""

    actions: frozenset[Action]
    models: frozenset[str] = frozenset()

    def covers(self, action: Action, name: str | None) -> bool:
        named = not self.models or (name is not None and name.lower() in self.models)
        return action in self.actions and named


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is `user:<pk>` or `key:<prefix>`; `roles` is by team id.

    `on_behalf_of` is the user who made a key.
    """

    id: str
    name: str
    roles: Mapping[int, Role] = field(default_factory=dict)
    is_admin: bool = False
    scope: Scope | None = None
    on_behalf_of: str = ""

    @property
    def person(self) -> str:
        """The user who acts, or for whom a key does, by name; empty where that is nobody."""
        return self.name if self.id.startswith("user:") else self.on_behalf_of

    def may(self, action: Action, model: Owned) -> bool:
        """Whether this caller may do `action` with `model`."""
        if self.scope and not self.scope.covers(action, model.name):
            return False
        return self._holds(action, model.team_id) or (
            self.scope is None and model.shared and action in SHARED
        )

    def may_in_team(self, action: Action, team_id: int) -> bool:
        """Whether this caller may do `action` in a team, to no model in particular."""
        if self.scope and not self.scope.covers(action, None):
            return False
        return self._holds(action, team_id)

    def may_create(self, team_id: int, name: str) -> bool:
        """Whether this caller may create the model `name` in a team."""
        if self.scope and not self.scope.covers(Action.PUBLISH, name):
            return False
        return self._holds(Action.PUBLISH, team_id)

    def _holds(self, action: Action, team_id: int) -> bool:
        if self.is_admin:
            return True
        role = self.roles.get(team_id)
        return role is not None and action in ALLOWED[role]

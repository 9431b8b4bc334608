"""The table of who may do what, and what a key narrows it to."""

from dataclasses import dataclass

import pytest

from aihub.access import Action, Principal, Role, Scope

ALPHA, BETA = 1, 2
READ, PREDICT, PUBLISH, DELETE, MANAGE = Action
MAY = {
    Role.VIEWER: {READ, PREDICT},
    Role.DEVELOPER: {READ, PREDICT, PUBLISH},
    Role.OWNER: {READ, PREDICT, PUBLISH, DELETE, MANAGE},
}


@dataclass(frozen=True)
class Model:
    team_id: int = ALPHA
    name: str = "Digits"
    shared: bool = False


def of_alpha(role: Role) -> Principal:
    return Principal("user:1", "someone", {ALPHA: role})


def key(*actions: Action, models: tuple[str, ...] = ()) -> Principal:
    scope = Scope(frozenset(actions), frozenset(models))
    return Principal("key:1", "app", {ALPHA: Role.DEVELOPER}, scope=scope)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_a_role_holds_in_its_team_alone(role: Role, action: Action) -> None:
    who = of_alpha(role)
    assert who.may(action, Model()) == (action in MAY[role])
    assert who.may_in_team(action, ALPHA) == (action in MAY[role])
    assert not who.may(action, Model(team_id=BETA))
    assert not who.may_in_team(action, BETA)


@pytest.mark.parametrize("action", Action)
def test_a_shared_model_may_be_seen_and_called_by_everyone(action: Action) -> None:
    stranger = Principal("user:2", "stranger")
    assert stranger.may(action, Model(shared=True)) == (action in {READ, PREDICT})


@pytest.mark.parametrize("action", Action)
def test_an_administrator_may_do_everything(action: Action) -> None:
    admin = Principal("user:1", "admin", is_admin=True)
    assert admin.may(action, Model())
    assert admin.may_in_team(action, BETA)
    assert admin.may_create(BETA, "new")


@pytest.mark.parametrize("action", Action)
def test_a_key_may_do_what_it_was_given(action: Action) -> None:
    assert key(PREDICT).may(action, Model()) == (action is PREDICT)


def test_a_key_is_confined_to_its_models_in_any_case() -> None:
    narrow = key(READ, PUBLISH, models=("digits",))
    assert narrow.may(READ, Model(name="DIGITS"))
    assert not narrow.may(READ, Model(name="letters"))
    assert narrow.may_create(ALPHA, "Digits")
    assert not narrow.may_create(ALPHA, "letters")
    assert not narrow.may_in_team(PUBLISH, ALPHA)


def test_a_key_does_not_reach_other_teams_even_where_they_share() -> None:
    assert not key(READ, PREDICT).may(PREDICT, Model(team_id=BETA, shared=True))


def test_an_administrators_key_is_still_narrowed() -> None:
    scoped = Principal("key:1", "app", is_admin=True, scope=Scope(frozenset({READ})))
    assert scoped.may(READ, Model())
    assert not scoped.may(PUBLISH, Model())
    assert not scoped.may_create(ALPHA, "new")


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("developer", True)])
def test_it_takes_the_right_to_publish_to_create(role: str, may: bool) -> None:
    assert of_alpha(Role(role)).may_create(ALPHA, "new") is may
    assert not of_alpha(Role(role)).may_create(BETA, "new")

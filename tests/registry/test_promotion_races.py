"""Moves, rollbacks, decisions and deletions at the same moment: the history is what happened."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from aihub.access import Principal, Role
from aihub.problems import Problem
from registry.models import Alias, AliasMove, Approval, ModelVersion, RegisteredModel, Team
from registry.services.aliases import alias_delete, alias_rollback, alias_set
from registry.services.approvals import approval_approve, approval_cancel, approval_reject
from registry.services.models import model_update
from registry.services.versions import version_delete
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db(transaction=True)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0")
Act = Callable[[], Any]


@pytest.fixture
def model(alpha: Team) -> RegisteredModel:
    model = make_model(alpha)
    for version in VERSIONS:
        make_ready(publish(model, version))
    return model


def person(name: str, model: RegisteredModel) -> Principal:
    return Principal(f"user:{name}", name, {model.team_id: Role.OWNER})


def mover(model: RegisteredModel, text: str) -> Act:
    version = model.versions.get(version=text)
    return lambda: alias_set(
        principal=person(text, model), model=model, name="production", version=version, comment=text
    )


def at_once(acts: Sequence[Act]) -> list[int]:
    """How each went: 200, or the status of its problem."""
    barrier = threading.Barrier(len(acts))

    def run(act: Act) -> int:
        try:
            barrier.wait(30)
            act()
        except Problem as problem:
            return problem.status
        finally:
            connection.close()
        return 200

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def check_history() -> list[AliasMove]:
    """Each move starts where the one before ended, later than it; the last is where it points."""
    moves = list(AliasMove.objects.order_by("at"))
    place = ""
    for earlier, move in zip([None, *moves], moves, strict=False):
        assert move.from_text == place
        assert earlier is None or earlier.at < move.at
        place = move.to_text
    alias = Alias.objects.select_related("version").first()
    assert (alias.version.version if alias else "") == place
    return moves


def test_simultaneous_promotions_happen_one_after_another(model: RegisteredModel) -> None:
    assert at_once([mover(model, text) for text in VERSIONS * 2]) == [200] * 12
    moves = check_history()
    assert {move.to_text for move in moves} == set(VERSIONS)
    assert all(move.comment == move.to_text == move.actor_name for move in moves)


def test_rollbacks_among_promotions_and_removals_keep_the_history_whole(
    model: RegisteredModel,
) -> None:
    mover(model, "1.0.0")()
    mover(model, "1.1.0")()
    alias = Alias.objects.get()
    someone = person("someone", model)

    def roll() -> None:
        alias_rollback(principal=someone, model=model, name="production")

    acts = [*[mover(model, text) for text in VERSIONS[2:]], roll, roll, roll]
    statuses = at_once([*acts, lambda: alias_delete(alias, principal=someone)])
    assert set(statuses) <= {200, 404, 409}
    kinds = [move.kind for move in check_history()]
    assert kinds.count("rollback") == statuses[4:7].count(200)
    assert kinds.count("removal") == (statuses[7] == 200)


def test_a_version_is_promoted_or_deleted_never_both(model: RegisteredModel) -> None:
    mover(model, "1.0.0")()
    for text in VERSIONS[1:]:
        version = model.versions.get(version=text)
        delete = lambda v=version: version_delete(v, principal=person("x", model))  # noqa: E731
        promoted, deleted = at_once([mover(model, text), delete])
        assert (promoted, deleted) in ((200, 409), (404, 200), (409, 200))
        gone = ModelVersion.everything.get(pk=version.pk).deleted_at is not None
        assert gone == (deleted == 200)
        assert not (gone and Alias.objects.get().version_id == version.pk)
    check_history()


def test_of_simultaneous_decisions_one_wins(model: RegisteredModel) -> None:
    mover(model, "1.0.0")()
    owner = person("owner", model)
    model_update(model, principal=owner, changes={"protected_aliases": ["production"]})
    for text in VERSIONS[1:4]:
        approval = mover(model, text)()
        assert isinstance(approval, Approval)
        decisions = [approval_approve, approval_reject, approval_cancel, approval_approve]
        acts = [
            lambda decide=decide, n=n: decide(approval, principal=person(f"p{n}", model))  # noqa: B023
            for n, decide in enumerate(decisions)
        ]
        assert sorted(at_once(acts)) == [200, 409, 409, 409]
        approval.refresh_from_db()
        moved = Alias.objects.get().version.version == text
        assert moved == (approval.state == "approved")
    check_history()


def test_the_same_is_asked_once_however_many_ask(model: RegisteredModel) -> None:
    model_update(model, principal=person("o", model), changes={"protected_aliases": ["production"]})
    assert sorted(at_once([mover(model, "1.0.0")] * 6)) == [200] + [409] * 5
    assert Approval.objects.count() == 1
    assert not Alias.objects.exists()


def test_a_deadlock_free_mix_with_changes_of_the_model(model: RegisteredModel) -> None:
    owner = person("owner", model)

    def edit(number: int) -> Act:
        return lambda: model_update(
            RegisteredModel.objects.get(pk=model.pk),
            principal=owner,
            changes={"description": str(number), "tags": [f"tag-{number}"]},
        )

    acts = [mover(model, text) for text in VERSIONS] + [edit(number) for number in range(6)]
    assert at_once(acts) == [200] * 12
    assert len(check_history()) >= 1

"""The migration that gives every alias a first move."""

from importlib import import_module

import pytest
from django.apps import apps

from aihub.events import SYSTEM
from registry.models import Alias, AliasMove, Team
from registry.services.aliases import alias_rollback, alias_set
from tests.registry.making import make_model, make_ready, publish

pytestmark = pytest.mark.django_db
begin = import_module("registry.migrations.0006_history_begins").begin


def test_an_alias_of_before_has_one_move_and_goes_on_from_there(alpha: Team) -> None:
    model = make_model(alpha)
    first, second = (make_ready(publish(model, version)) for version in ("1.0.0", "1.1.0"))
    alias = Alias.objects.create(
        model=model, name="production", version=first, comment="why", updated_by="owner"
    )
    for _ in range(2):
        begin(apps, None)
    move = AliasMove.objects.get()
    assert (move.kind, move.from_text, move.to_text) == ("move", "", "1.0.0")
    assert (move.actor, move.actor_name, move.comment) == ("system", "owner", "why")
    assert move.at == alias.updated_at
    alias_set(principal=SYSTEM, model=model, name="production", version=second)
    back = alias_rollback(principal=SYSTEM, model=model, name="production")
    assert back.version == first

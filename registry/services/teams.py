"""Creating and editing teams, and who is in them."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from aihub.access import Principal
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import Membership, Team


def team_create(*, principal: Principal, name: str, description: str = "") -> Team:
    """Make a team; `Problem` 409 where the name is taken."""
    try:
        with transaction.atomic():
            team = Team.objects.create(name=name, description=description)
            _emit("team.created", team, principal)
    except IntegrityError:
        raise Problem(409, N_("A team with the name “%(name)s” exists."), name=name) from None
    return team


def team_update(team: Team, *, principal: Principal, changes: Mapping[str, Any]) -> Team:
    """Change a team's fields."""
    with transaction.atomic():
        for name, value in changes.items():
            setattr(team, name, value)
        team.save(update_fields=list(changes))
        _emit("team.updated", team, principal, changed=sorted(changes))
    return team


def membership_set(*, principal: Principal, team: Team, user: User, role: str) -> Membership:
    """Give somebody a role in a team, whether they have one there or not."""
    with transaction.atomic():
        before = Membership.objects.filter(team=team, user=user).first()
        if before and before.role == role:
            return before
        membership, _ = Membership.objects.update_or_create(
            team=team, user=user, defaults={"role": role}
        )
        data = {"user": user.get_username(), "from": before and before.role, "to": role}
        _emit("membership.changed", team, principal, **data)
    return membership


def membership_remove(membership: Membership, *, principal: Principal) -> None:
    """Take somebody out of a team."""
    with transaction.atomic():
        user = membership.user.get_username()
        _emit("membership.removed", membership.team, principal, user=user, role=membership.role)
        membership.delete()


def _emit(event: str, team: Team, principal: Principal, **data: Any) -> None:
    emit(Event(event, team.name, principal, team_id=team.pk, data=data))

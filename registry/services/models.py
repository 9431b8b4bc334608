"""Creating, editing and deleting registered models."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aihub.access import Action, Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import ModelTag, ModelVersion, RegisteredModel, Team
from registry.models.registered import Task
from registry.models.teams import DEFAULT_TEAM
from registry.models.versions import State
from registry.services.locks import lock_model
from registry.services.taken import model_taken
from registry.services.trash import versions_trash
from registry.usage import require_unused

PROTECTED = "protected_aliases"


@retry_deadlocks
def model_create(
    *,
    principal: Principal,
    name: str,
    team: Team,
    tags: Sequence[str] = (),
    **fields: Any,
) -> RegisteredModel:
    """Register a model; `Problem` 403 without the right, 409 where the name is taken."""
    if not principal.may_create(team.pk, name):
        raise denied(Action.PUBLISH, team)
    if fields.get(PROTECTED) and not principal.may_in_team(Action.MANAGE, team.pk):
        raise denied(Action.MANAGE, team)
    try:
        with transaction.atomic():
            model = RegisteredModel.objects.create(
                team=team,
                name=name,
                name_key=name.lower(),
                created_by=principal.name,
                **fields,
            )
            _set_tags(model, tags)
            _emit("model.created", model, principal, team=team.name)
    except IntegrityError:
        raise model_taken(principal, name) from None
    return model


def model_ensure(
    *, principal: Principal, name: str, team: Team | None, task: str | None
) -> RegisteredModel:
    """The model of that name, created where there is none (in the default team unless named).

    Raises `Problem` 409 where it exists in another team or for another task than those given; the
    task is corrected as long as every version for another one was rejected.
    """
    found = _by_name(name)
    if found is None:
        found = _created_by_now(principal, name, team or _default_team(), task)
    if team in (None, found.team) and task not in (None, found.task):
        _correct_task(found, principal, task)
    if team not in (None, found.team) or task not in (None, found.task):
        raise Problem(
            409,
            N_("“%(model)s” belongs to team “%(team)s” and its task is %(task)s."),
            model=found.name,
            team=found.team.name,
            task=found.task,
        )
    return found


def _correct_task(model: RegisteredModel, principal: Principal, task: str) -> None:
    """The task becomes that one where versions were published and rejected for the present one."""
    tried = ModelVersion.objects.filter(model=model, state=State.REJECTED).exists()
    if not tried or not principal.may(Action.PUBLISH, model):
        return
    try:
        model_update(model, principal=principal, changes={"task": task})
    except Problem:
        return


def _created_by_now(
    principal: Principal, name: str, team: Team, task: str | None
) -> RegisteredModel:
    """A new model, or the one that somebody else has just created."""
    task = task or Task.IMAGE_CLASSIFICATION
    try:
        return model_create(principal=principal, name=name, team=team, task=task)
    except Problem as problem:
        found = _by_name(name) if problem.status == 409 else None
        if found is None:
            raise
        return found


def _by_name(name: str) -> RegisteredModel | None:
    return RegisteredModel.objects.select_related("team").filter(name_key=name.lower()).first()


def _default_team() -> Team:
    team = Team.objects.filter(name=DEFAULT_TEAM).first()
    if team is None:
        raise Problem(400, N_("There is no team “%(team)s”."), team=DEFAULT_TEAM)
    return team


@retry_deadlocks
def model_update(
    model: RegisteredModel, *, principal: Principal, changes: Mapping[str, Any]
) -> RegisteredModel:
    """Change fields and tags of a model; what is protected, only for those who manage the team."""
    if PROTECTED in changes and not principal.may(Action.MANAGE, model):
        raise denied(Action.MANAGE, model.team)
    fields = {name: value for name, value in changes.items() if name != "tags"}
    with transaction.atomic():
        _check_task(lock_model(model.pk), fields.get("task", model.task))
        for name, value in fields.items():
            setattr(model, name, value)
        model.save(update_fields=[*fields, "updated_at"])
        if "tags" in changes:
            _set_tags(model, changes["tags"])
        _emit("model.updated", model, principal, changed=sorted(changes))
    return model


def _check_task(model: RegisteredModel, task: str) -> None:
    """Versions were checked for their model's task: it stays, unless all were rejected."""
    kept = ModelVersion.everything.filter(model=model).exclude(state=State.REJECTED)
    if task != model.task and kept.exists():
        raise Problem(409, N_("The task of a model that has versions does not change."))


@retry_deadlocks
def model_delete(model: RegisteredModel, *, principal: Principal) -> None:
    """Put a model with all its versions into the trash; `Problem` 409 names whatever uses it."""
    with transaction.atomic():
        lock_model(model.pk)
        versions = ModelVersion.objects.filter(model=model)
        require_unused(versions, model.name, model)
        at, by = timezone.now(), principal.name
        count = versions_trash(versions, model, at=at, by=by)
        RegisteredModel.objects.filter(pk=model.pk).update(deleted_at=at, deleted_by=by[:150])
        _emit("model.deleted", model, principal, versions=count)


def denied(action: Action, team: Team) -> Problem:
    """The 403 for a right that a principal does not hold in a team."""
    return Problem(
        403,
        N_("You may not do this: it needs the right “%(action)s” in team “%(team)s”."),
        action=action.value,
        team=team.name,
    )


def _set_tags(model: RegisteredModel, tags: Sequence[str]) -> None:
    model.tag_rows.all().delete()
    unique = {tag.casefold(): tag for tag in reversed(tags)}.values()
    # Some databases find more tags equal (“é”, “e”) than Python does: they keep one.
    rows = [ModelTag(model=model, name=tag) for tag in sorted(unique)]
    ModelTag.objects.bulk_create(rows, ignore_conflicts=True)


def _emit(name: str, model: RegisteredModel, principal: Principal, **data: Any) -> None:
    emit(Event(name, model.name, principal, team_id=model.team_id, data=data))

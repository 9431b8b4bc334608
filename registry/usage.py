"""Who uses a version or a model, and so keeps it from being deleted.

Other apps add guards when Django starts: what the registry cannot know of (routes, running work)
is asked of those who do.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext

from aihub.problems import N_, Problem
from registry.models import Alias, Approval, ModelVersion, RegisteredModel


@dataclass(frozen=True, slots=True)
class Use:
    """One use: `kind` is a noun (`alias`), `message` a translatable template with its values."""

    kind: str
    message: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return gettext(self.message) % self.values


# What uses these versions; the model is given where all of it is to go.
Guard = Callable[[QuerySet[ModelVersion], RegisteredModel | None], Iterable[Use]]
_guards: list[Guard] = []


def add_guard(guard: Guard) -> None:
    """Have `guard` asked from now on before anything is deleted (once, however often added)."""
    if guard not in _guards:
        _guards.append(guard)


def uses(versions: QuerySet[ModelVersion], model: RegisteredModel | None = None) -> tuple[Use, ...]:
    """All that uses one of these versions, or the model."""
    return tuple(use for guard in _guards for use in guard(versions, model))


def require_unused(
    versions: QuerySet[ModelVersion], name: str, model: RegisteredModel | None = None
) -> None:
    """`Problem` 409 that names everything in the way; `name` is what is to be deleted."""
    found = uses(versions, model)
    if found:
        raise Problem(
            409,
            N_("“%(name)s” is in use: %(uses)s. End that first."),
            errors=[{"field": use.kind, "detail": str(use)} for use in found],
            name=name,
            uses="; ".join(map(str, found)),
        )


def aliases_guard(versions: QuerySet[ModelVersion], model: RegisteredModel | None) -> Iterator[Use]:
    """The aliases that point at one of them."""
    for alias in Alias.objects.filter(version__in=versions.order_by()).select_related("version"):
        values = {"alias": alias.name, "version": alias.version.version}
        yield Use("alias", N_("alias %(alias)s (%(version)s)"), values)


def approvals_guard(
    versions: QuerySet[ModelVersion], model: RegisteredModel | None
) -> Iterator[Use]:
    """The requests to move an alias to one of them that nobody has decided."""
    pending = Approval.objects.filter(version__in=versions.order_by())
    for approval in pending.filter(state=Approval.States.PENDING).select_related("version"):
        values = {
            "id": approval.pk,
            "alias": approval.alias,
            "version": approval.version.version,
        }
        yield Use("approval", N_("approval %(id)s pending (%(alias)s → %(version)s)"), values)

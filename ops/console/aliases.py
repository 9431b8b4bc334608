"""What pages about aliases offer: versions to point at, and requests that wait."""

from django.db.models import QuerySet

from registry.models import Approval, RegisteredModel
from registry.models.versions import State

OFFERED = 200  # versions, by name; others are typed


def ready_versions(model: RegisteredModel) -> list[str]:
    """The newest versions that an alias may point at."""
    ready = model.versions.filter(state=State.READY).order_by("-sort_key")
    return list(ready.values_list("version", flat=True)[:OFFERED])


def pending_of(model: RegisteredModel) -> QuerySet[Approval]:
    """The requests to move an alias of this model that nobody has decided."""
    pending = Approval.objects.filter(model=model, state=Approval.States.PENDING)
    return pending.select_related("version").order_by("-requested_at", "-pk")

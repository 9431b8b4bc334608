"""Reads: a caller's own uploads."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from aihub.access import Principal
from aihub.problems import N_, Problem
from registry.models import Upload


def uploads_of(principal: Principal) -> QuerySet[Upload]:
    """The uploads that a caller began and that have not expired, newest first."""
    own = Upload.objects.filter(owner=principal.id, expires_at__gt=timezone.now())
    return own.select_related("blob").order_by("-created_at", "id")


def upload_get(principal: Principal, pk: UUID) -> Upload:
    """One of the caller's own uploads; `Problem` 404 where it is none."""
    found = uploads_of(principal).filter(pk=pk).first()
    if found is None:
        raise upload_missing()
    return found


def upload_signed(pk: UUID) -> Upload:
    """The upload of a signed address, whoever calls it."""
    found = Upload.objects.filter(pk=pk, expires_at__gt=timezone.now()).first()
    if found is None:
        raise upload_missing()
    return found


def upload_missing() -> Problem:
    return Problem(404, N_("You have no such upload; it may have expired."))

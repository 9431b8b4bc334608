"""One number that grows with every change that routing or identity depends on.

Replicas poll it to learn that their snapshot is old; it grows in the transaction of the change.
"""

from typing import Any

from django.db import models
from django.db.models import F
from django.db.models.signals import post_delete, post_save


class Revision(models.Model):
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


def revision_bump() -> None:
    """Tell every replica that something changed."""
    if not _grow():
        Revision.objects.get_or_create(pk=1)
        _grow()


def _grow() -> bool:
    return bool(Revision.objects.filter(pk=1).update(number=F("number") + 1))


def revision_current() -> int:
    """The number now; 0 before the first change."""
    return Revision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def revision_follow(*senders: type[models.Model]) -> None:
    """Let the revision grow whenever a row of these tables is saved or deleted."""
    for sender in senders:
        uid = f"revision-{sender._meta.label}"
        post_save.connect(_bump, sender=sender, dispatch_uid=uid)
        post_delete.connect(_bump, sender=sender, dispatch_uid=uid)


def _bump(sender: type[models.Model], **kwargs: Any) -> None:
    revision_bump()

"""What owns an upload, so that it is neither swept nor given to anything else.

Versions do; other apps add what of theirs does when Django starts.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from aihub.problems import N_, Problem
from registry.models import Upload, VersionFile
from registry.models.versions import State

_VERSIONS = VersionFile.objects.filter(upload=OuterRef("pk"))
BY_VERSION = N_("The upload %(upload)s belongs to a version already.")
_others: dict[str, Exists] = {}


def add_owner(message: str, owner: Exists) -> None:
    """Have uploads of which `owner` is true count as owned; `message` says so of an %(upload)s."""
    _others[message] = owner


def is_kept() -> Q:
    """Of uploads: whether anything still needs them; a rejected version does not."""
    kept = Q(Exists(_VERSIONS.exclude(version__state=State.REJECTED)))
    for owner in _others.values():
        kept |= Q(owner)
    return kept


def is_owned(upload: Upload) -> bool:
    """Whether it became part of anything."""
    owned = Q(Exists(_VERSIONS))
    for owner in _others.values():
        owned |= Q(owner)
    return Upload.objects.filter(owned, pk=upload.pk).exists()


def require_unowned(uploads: Iterable[UUID]) -> None:
    """`Problem` 409 that names an upload which something owns already."""
    among = Upload.objects.filter(pk__in=list(uploads))
    for message, owner in {BY_VERSION: Exists(_VERSIONS), **_others}.items():
        pk = among.filter(owner).values_list("pk", flat=True).first()
        if pk is not None:
            raise Problem(409, message, upload=str(pk))

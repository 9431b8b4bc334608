"""Completed uploads become the files of a version: each once, and only its owner's."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.utils import timezone

from aihub.access import Principal
from aihub.problems import N_, Problem
from registry.models import Upload
from registry.services.owning import require_unowned
from registry.services.uploads import PEEK
from registry.storage import blob_storage


@dataclass(frozen=True)
class Claimed:
    """A completed upload that shall be a version's file `name`; its ends are read on demand."""

    upload: Upload
    name: str

    @property
    def size(self) -> int:
        return self.upload.size

    @cached_property
    def head(self) -> bytes:
        return self._read(0)

    @cached_property
    def tail(self) -> bytes:
        return self._read(max(self.size - PEEK, 0))

    def _read(self, start: int) -> bytes:
        try:
            reading = blob_storage().range(self.upload.key, start, min(PEEK, self.size))
        except FileNotFoundError:
            raise Problem(
                409, N_("The content of %(file)s was lost; upload it again."), file=self.name
            ) from None
        with closing(reading):
            return b"".join(reading)


def uploads_claim(principal: Principal, paths: Mapping[UUID, str]) -> list[Claimed]:
    """The caller's uploads by id, under these paths (empty: their own names).

    `Problem` says which one is not there (404), not complete or used already (409).
    """
    own = Upload.objects.filter(owner=principal.id, expires_at__gt=timezone.now())
    found = own.select_related("blob").in_bulk(list(paths))
    for pk in paths:
        if pk not in found:
            raise Problem(404, N_("You have no upload %(upload)s."), upload=str(pk))
        if found[pk].state != Upload.States.COMPLETE:
            raise Problem(409, N_("The upload %(upload)s is not complete."), upload=str(pk))
    require_unowned(found)
    return [Claimed(found[pk], path or found[pk].filename) for pk, path in paths.items()]


def uploads_lock(uploads: Sequence[Upload]) -> None:
    """Keep uploads as they are until the transaction ends; `Problem` 409 for one that is gone or
    was used meanwhile."""
    rows = Upload.objects.select_for_update().filter(expires_at__gt=timezone.now())
    locked = rows.in_bulk([upload.pk for upload in uploads])
    for upload in uploads:
        if upload.pk not in locked:
            raise Problem(409, N_("The upload %(upload)s has expired."), upload=str(upload.pk))
    require_unowned(locked)

"""Rows that one worker at a time works on, whatever their table: taken, kept and given up by lease.

A row is taken by one conditional UPDATE, so that of any number of workers exactly one gets it, on
every database. A lease that is not renewed ends by itself: that is all there is to recovery.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from django.db.models import F, QuerySet
from django.utils import timezone

from registry.models import Leased

LEASE = timedelta(seconds=10)
RENEW_EVERY = 2.5  # seconds


class LeaseLost(Exception):
    """Another worker has the row now: stop and write nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a row of `table`, as long as it is renewed.

    Every claim has an owner of its own, and whatever ends it clears the row's: a row is held by
    whose name it bears.
    """

    table: ClassVar[type[Leased]]

    pk: int
    owner: str

    def renew(self) -> bool:
        """Extend the lease; False once somebody else has it."""
        now = timezone.now()
        return bool(self.rows().update(lease_expires_at=now + LEASE, heartbeat_at=now))

    def held(self) -> bool:
        """Whether this worker still has the row; inside a transaction, until its end."""
        return bool(self.rows().update(heartbeat_at=timezone.now()))

    def confirm(self) -> None:
        """As `held`, raising LeaseLost where it is not."""
        if not self.held():
            raise LeaseLost

    def rows(self) -> QuerySet:
        """The row while it is held, else none: an UPDATE of it is conditional on the lease."""
        return self.table._default_manager.filter(pk=self.pk, lease_owner=self.owner)


def lease_take(free: QuerySet, row: Leased, worker: str, **changes: object) -> str | None:
    """Take a row that was read from `free`, where it is still free; the owner of the lease.

    `changes` are made with it, such as that of its state. None where another was quicker.
    """
    now, owner = timezone.now(), f"{worker[:31]}:{uuid.uuid4().hex}"
    taken = free.filter(pk=row.pk, attempts=row.attempts).update(
        lease_owner=owner,
        lease_expires_at=now + LEASE,
        heartbeat_at=now,
        attempts=F("attempts") + 1,
        **changes,
    )
    return owner if taken else None

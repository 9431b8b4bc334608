"""While a backup is made nothing is removed from the store: what its rows name must still be there.

The hold is a job like any other, renewed as long as it is held; it ends by itself with its process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.utils import timezone

from aihub.problems import N_, Problem
from registry.models import Job
from registry.processing import jobs
from registry.processing.jobs import LEASE, Lease
from registry.processing.worker import kept_alive, worker_name

KIND = "backup"
HELD = N_("A backup is being made: until it is there, nothing is removed from the storage.")


class AlreadyHeld(Problem):
    """Somebody else makes a backup."""

    def __init__(self) -> None:
        super().__init__(409, HELD)


class RemovalHeld(Exception):
    """Something must stay in the store for now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Keeps things from being removed from the store, as long as it is renewed."""

    lease: Lease

    def renew(self) -> bool:
        """Extend it; False once it lapsed, whoever has it: things may have been removed since."""
        now = timezone.now()
        kept = self.lease.rows().filter(lease_expires_at__gt=now)
        return bool(kept.update(lease_expires_at=now + LEASE, heartbeat_at=now))


def removal_is_held() -> bool:
    """Whether nothing may be removed from the store now."""
    held = Job.objects.filter(kind=KIND, state=Job.States.RUNNING)
    return held.filter(lease_expires_at__gt=timezone.now()).exists()


def removal_allowed() -> None:
    """Raise RemovalHeld where nothing may be removed from the store now."""
    if removal_is_held():
        raise RemovalHeld


@contextmanager
def removal_held() -> Iterator[Hold]:
    """Nothing is removed while the block lasts, unless the hold can be renewed no more."""
    jobs.enqueue(KIND, 0)
    over = (Job.States.SUCCEEDED, Job.States.FAILED)
    jobs.restart(Job.objects.filter(kind=KIND, state__in=over), as_new=True)
    lease = jobs.claim(worker_name(), {KIND})
    if lease is None:
        raise AlreadyHeld
    hold = Hold(lease)
    with kept_alive(hold):
        try:
            yield hold
        except BaseException as error:
            lease.fail(f"{type(error).__name__}: {error}")
            raise
        lease.succeed()

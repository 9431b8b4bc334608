"""Whether anything was removed while a backup was made, or old ones were taken out."""

from django.db.models import Count, Max

from ops.backup.manifest import Refused
from registry.models import Blob
from registry.services.holding import Hold

LOST = (
    "Nothing kept the hub from removing content meanwhile: the database did not answer in time. "
    "Do it again; what was copied need not be."
)


def hold_confirm(hold: Hold) -> None:
    """`Refused` where the hold was lost at any time."""
    if not hold.renew():
        raise Refused(LOST)


def contents_counted() -> tuple[int, int]:
    """The youngest content's key, 0 where there is none, and how many there are."""
    found = Blob.objects.aggregate(newest=Max("pk"), count=Count("pk"))
    return found["newest"] or 0, found["count"]


def contents_confirm(newest: int, count: int) -> None:
    """`Refused` where fewer are left of what `contents_counted` answered."""
    if Blob.objects.filter(pk__lte=newest).count() < count:
        raise Refused(LOST)

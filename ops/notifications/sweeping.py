"""Forgetting what was delivered long ago."""

from datetime import timedelta

from django.utils import timezone

from ops.models import Delivery

KEPT_FOR = timedelta(days=30)
AT_ONCE = 1000


def deliveries_sweep() -> int:
    """Remove deliveries that ended 30 days ago."""
    old = Delivery.objects.filter(finished_at__lt=timezone.now() - KEPT_FOR)
    chosen = list(old.order_by("finished_at").values_list("pk", flat=True)[:AT_ONCE])
    Delivery.objects.filter(pk__in=chosen).delete()
    return len(chosen)

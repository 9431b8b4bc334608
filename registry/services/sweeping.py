"""What came of no use among uploads: expired ones, and parts that no row knows."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.models import Upload, VersionFile
from registry.parts import part_store
from registry.parts_types import STAGED
from registry.services.owning import is_kept
from registry.services.uploads import upload_discard

AT_ONCE = 1000


def uploads_sweep() -> int:
    """Remove uploads that expired and that nothing needs: of a rejected version at most."""
    expired = Upload.objects.filter(expires_at__lt=timezone.now()).exclude(is_kept())
    ids = list(expired.order_by("expires_at").values_list("pk", flat=True)[:AT_ONCE])
    return sum(_removed(pk) for pk in ids)


def parts_sweep() -> int:
    """Remove parts in the store that are older than any upload may be, and that no row knows."""
    before = timezone.now() - timedelta(hours=settings.ENV.AIHUB_UPLOAD_HOURS)
    store, count = part_store(), 0
    for key, _ in store.begun_before(before):
        if not _is_known(key):
            store.forget(key)
            count += 1
    return count


def _removed(pk: UUID) -> bool:
    """Remove one, if no version took it meanwhile; its row keeps publishers waiting until then."""
    with transaction.atomic():
        upload = Upload.objects.select_for_update().filter(pk=pk).first()
        if upload is None or not _is_free(pk):
            return False
        VersionFile.objects.filter(upload=upload).update(upload=None)
        upload_discard(upload)
    return True


def _is_free(pk: UUID) -> bool:
    return Upload.objects.filter(pk=pk).exclude(is_kept()).exists()


def _is_known(key: str) -> bool:
    """Whether there is a row for what is staged at `key`; copies to other places have none."""
    if not key.startswith(STAGED):
        return False
    try:
        return Upload.objects.filter(pk=UUID(key.removeprefix(STAGED))).exists()
    except ValueError:
        return False

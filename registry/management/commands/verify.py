"""`manage.py verify [--all]`: read stored content through and hold it against its sums."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from registry import manifests
from registry.models import Blob, ModelVersion
from registry.models.versions import State
from registry.services.integrity import blob_verify, versions_with
from registry.services.sealing import with_sealed
from registry.storage import StorageUnavailable


class Command(BaseCommand):
    help = "Reads what is stored through, and checks every version's seal; tells what is damaged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="also what was read within AIHUB_VERIFY_DAYS"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        damaged = self._contents(everything=options["all"]) + self._records()
        if damaged:
            raise CommandError(f"{damaged} damaged")
        self.stdout.write("nothing is damaged")

    def _contents(self, *, everything: bool) -> int:
        damaged = read = size = 0
        for blob in _due(everything=everything).iterator():
            try:
                reason = blob_verify(blob)
            except StorageUnavailable as error:
                raise CommandError(f"after {read} files: {error}") from None
            read, size = read + 1, size + blob.size
            if reason:
                damaged += 1
                names = ", ".join(map(str, versions_with(blob.ref))) or "no version"
                self.stdout.write(f"damaged: {blob.ref.key} of {names}: {reason}")
        self.stdout.write(f"{read} files read, {size} bytes")
        return damaged

    def _records(self) -> int:
        damaged = 0
        ready = ModelVersion.everything.filter(state=State.READY).order_by("pk")
        for version in with_sealed(ready).iterator(chunk_size=200):
            try:
                manifests.check(version)
            except manifests.Unsealed as flaw:
                damaged += 1
                self.stdout.write(f"damaged: {version}: {flaw}")
        return damaged


def _due(*, everything: bool) -> Any:
    blobs = Blob.objects.order_by("pk")
    if everything:
        return blobs
    before = timezone.now() - timedelta(days=settings.ENV.AIHUB_VERIFY_DAYS)
    return blobs.filter(Q(verified_at=None) | Q(verified_at__lt=before) | ~Q(damaged_at=None))

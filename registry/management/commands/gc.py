"""`manage.py gc`: free what nothing refers to."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aihub.events import SYSTEM
from registry.services.garbage import Collected, garbage_collect


class Command(BaseCommand):
    help = "Frees the stored content that nothing refers to; safe while uploads go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="tell only what would be freed")
        parser.add_argument(
            "--grace", type=float, default=0.0, metavar="HOURS", help="leave what is younger"
        )
        parser.add_argument(
            "--foreign-older-than",
            type=float,
            metavar="DAYS",
            help="also what the hub never knew, such as somebody's “dvc push”, where it is older",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["foreign_older_than"]
        found = garbage_collect(
            principal=SYSTEM,
            dry_run=options["dry_run"],
            grace=timedelta(hours=options["grace"]),
            foreign_older_than=None if days is None else timedelta(days=days),
        )
        self._tell(found)
        if found.errors:
            raise CommandError("; ".join(found.errors))

    def _tell(self, found: Collected) -> None:
        verb = "would be freed" if found.dry_run else "freed"
        self.stdout.write(
            f"{verb}: {found.bytes} bytes; {found.blobs} files, {found.directories} directory "
            f"lists, {found.staged} abandoned uploads, {found.foreign_removed} foreign objects"
        )
        self.stdout.write(f"foreign, kept: {found.foreign} objects, {found.foreign_bytes} bytes")

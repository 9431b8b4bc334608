"""`manage.py backup create|restore|verify|list PLACE`: the hub's rows and content."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aihub.problems import Problem
from ops.backup.checking import backup_check
from ops.backup.making import backup_make
from ops.backup.manifest import Manifest, Refused, manifest_read
from ops.backup.place import Place, place_open
from ops.backup.pruning import backups_prune
from ops.backup.restoring import backup_restore


class Command(BaseCommand):
    help = (
        "Backs the hub up and restores it: its database and its stored files, without secrets. "
        "PLACE is a folder or s3://bucket/prefix; see docs/operations.md."
    )
    requires_system_checks = ()  # a database without tables is what one restores into

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a backup while the hub runs")
        create.add_argument(
            "--keep", type=int, metavar="N", help="then remove all but the newest N"
        )
        restore = actions.add_parser("restore", help="make an empty hub what the backup was")
        verify = actions.add_parser("verify", help="read a backup through, against its sums")
        listing = actions.add_parser("list", help="the backups that are there")
        for action in (create, restore, verify, listing):
            action.add_argument("place", metavar="PLACE")
        for action in (restore, verify):
            action.add_argument("--backup", metavar="NAME", help="by default the newest")
            action.add_argument(
                "--trust", action="store_true", help="one that a hub with another key made"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            place = place_open(options.pop("place"))
            getattr(self, f"_{options.pop('action')}")(place, **options)
        except (Refused, Problem, ValueError) as reason:
            raise CommandError(str(reason)) from reason

    def _create(self, place: Place, *, keep: int | None, **options: Any) -> None:
        if keep is not None and keep < 1:
            raise CommandError("--keep must be 1 or more.")
        manifest = backup_make(place, self.stdout.write)
        self.stdout.write(f"made {manifest.name}")
        if keep:
            backups, contents = backups_prune(place, keep)
            self.stdout.write(f"removed {backups} old backups and {contents} contents")
        if manifest.missing:
            raise CommandError(
                "the backup is made, but the storage lacks or has damaged what these keys name: "
                f"{', '.join(manifest.missing[:20])}; see “manage.py verify”"
            )

    def _restore(self, place: Place, **options: Any) -> None:
        manifest = self._chosen(place, **options)
        backup_restore(place, manifest, self.stdout.write)
        self.stdout.write(
            f"restored {manifest.name}. Secrets are in no backup: this hub needs the same "
            "AIHUB_SECRET_KEY. Look at it with “manage.py doctor” and “manage.py verify”."
        )

    def _verify(self, place: Place, **options: Any) -> None:
        manifest = self._chosen(place, **options)
        backup_check(place, manifest)
        self.stdout.write(f"{manifest.name} is whole: {manifest.objects.rows} objects")

    def _list(self, place: Place, **options: Any) -> None:
        for name in place.backups():
            manifest = manifest_read(place, name, trust=True)
            rows = sum(file.rows for file in manifest.tables.values())
            self.stdout.write(
                f"{name}  AIHub {manifest.version}  {rows} rows  {manifest.objects.rows} objects  "
                f"{manifest.bytes} bytes"
            )

    def _chosen(self, place: Place, *, backup: str | None, trust: bool, **options: Any) -> Manifest:
        names = place.backups()
        if not names:
            raise Refused("There is no complete backup there.")
        return manifest_read(place, backup or names[-1], trust=trust)

"""`manage.py reseal [--force]`: seal versions anew, after the secret key was changed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from registry.services.sealing import versions_reseal


class Command(BaseCommand):
    help = "Seals versions anew whose seal does not fit, such as after a change of the secret key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also those whose record was changed: look first"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for version, done in versions_reseal(force=options["force"]):
            count += done
            self.stdout.write(f"{version}: {'sealed' if done else 'changed, not sealed'}")
        self.stdout.write(f"{count} sealed")

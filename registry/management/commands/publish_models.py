"""`manage.py publish_models FILE`: publish what a file declares and the registry lacks."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aihub.problems import Problem
from registry.services.models_file import publish_missing


class Command(BaseCommand):
    help = "Publish the models that a YAML file declares and the registry lacks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            published = publish_missing(options["file"])
        except Problem as problem:
            raise CommandError(str(problem)) from None
        for version in published:
            self.stdout.write(f"published {version}")
        if not published:
            self.stdout.write("nothing to publish")

"""`manage.py prepare`: a database for roles that start by themselves, each in its container."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ops.launch import bootstrap, welcome
from ops.launch.console import Console
from ops.launch.preflight import CannotStart


class Command(BaseCommand):
    help = "Makes what the database lacks: tables, the administrator, the first team, models."

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(self.stdout, self.style)
        try:
            administrator = bootstrap.prepare(settings.ENV)
        except CannotStart as reason:
            sys.exit(f"AIHub cannot start. {reason}")
        console.done("The database is up to date.")
        welcome.say_password(settings.ENV, administrator, console)

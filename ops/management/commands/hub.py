"""`manage.py hub`: the whole hub on this machine, until Ctrl-C."""

import os
import sys
from io import TextIOWrapper
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ops.launch.console import Console
from ops.launch.hub import launch
from ops.launch.preflight import CannotStart


class Command(BaseCommand):
    help = "Starts the whole hub on this machine and shows what it can do; Ctrl-C stops it."
    requires_system_checks = ()  # the server runs them

    def handle(self, *args: Any, **options: Any) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal may not know “✓”
        try:
            launch(settings.ENV, os.environ, Console(self.stdout, self.style))
        except CannotStart as reason:
            sys.exit(f"AIHub cannot start. {reason}")
        except KeyboardInterrupt:  # before any role was started
            self.stdout.write("Stopped.")

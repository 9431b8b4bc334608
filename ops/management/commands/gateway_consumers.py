"""`manage.py gateway_consumers`: API keys from standard input, as a gateway's consumers."""

import sys
from typing import Any

import yaml
from django.core.management.base import BaseCommand

from ops.gateway import key_consumers


class Command(BaseCommand):
    help = "Reads API keys, one a line, and prints those that hold as consumers for Kong."

    def handle(self, *args: Any, **options: Any) -> None:
        keys = [line.strip() for line in sys.stdin if line.strip()]
        consumers, others = key_consumers(keys)
        if others:
            self.stderr.write(f"{others} of the keys do not hold, and are left out.")
        if consumers:
            self.stdout.write(yaml.safe_dump(consumers, sort_keys=False))

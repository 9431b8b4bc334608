"""`manage.py doctor`: what is wrong with this hub, and what to do about it."""

import json
import sys
from argparse import ArgumentParser
from io import TextIOWrapper
from typing import Any

from django.core.management.base import BaseCommand

from aihub import __version__
from ops.doctor.examination import CHECKS, examine
from ops.doctor.findings import Finding, Level

SIGNS = {Level.OK: "✓", Level.WARN: "!", Level.FAIL: "✗", Level.SKIP: "-"}


class Command(BaseCommand):
    help = (
        "Checks database, broker, cache, storage, clock, permissions, versions, workers and "
        "configuration, and says what to do; ends with 1 where anything failed."
    )
    requires_system_checks = ()  # it says itself what they would

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--only", nargs="+", choices=list(CHECKS), default=[], help="these checks alone"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal may not know “✓”
        found = []
        for name, finding in examine(options["only"]):
            found.append((name, finding))
            if not options["json"]:
                self._tell(name, finding)
        healthy = all(finding.level is not Level.FAIL for _, finding in found)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(found, healthy), ensure_ascii=False, indent=2))
        if not healthy:
            sys.exit(1)

    def _tell(self, name: str, finding: Finding) -> None:
        styles = {
            Level.OK: self.style.SUCCESS,
            Level.WARN: self.style.WARNING,
            Level.FAIL: self.style.ERROR,
            Level.SKIP: self.style.NOTICE,
        }
        sign = styles[finding.level](SIGNS[finding.level])
        self.stdout.write(f"{sign} {name:<14} {finding.what}")
        if finding.do:
            self.stdout.write(f"{'':16} → {finding.do}")
        self.stdout.flush()


def _as_json(found: list[tuple[str, Finding]], healthy: bool) -> dict[str, Any]:
    entries = [
        {"check": name, "level": finding.level, "what": finding.what, "do": finding.do}
        for name, finding in found
    ]
    return {"version": __version__, "healthy": healthy, "findings": entries}

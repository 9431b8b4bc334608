"""What the launcher says to the person who started it: short lines, in colour on a terminal."""

import threading
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import OutputWrapper
from django.core.management.color import Style

BAR_WIDTH = 24


class Console:
    """Lines for a person; several threads may speak, a line at a time."""

    def __init__(self, out: OutputWrapper, style: Style) -> None:
        self._out = out
        self._style = style
        self._lock = threading.Lock()

    def done(self, text: str) -> None:
        self._write(f"{self._style.SUCCESS('✓')} {text}")

    def doing(self, text: str) -> None:
        self._write(f"… {text}")

    def warn(self, text: str) -> None:
        self._write(f"{self._style.WARNING('!')} {text}")

    def plain(self, text: str = "") -> None:
        self._write(text)

    def quote(self, lines: Iterable[str]) -> None:
        """Lines that some other program wrote."""
        for line in lines:
            self._write(f"  │ {line}")

    def score(self, label: str, score: float) -> None:
        """A label with its score (0 to 1) and a bar."""
        bar = self._style.SUCCESS(f"{'█' * round(score * BAR_WIDTH):<{BAR_WIDTH}}")
        self._write(f"    {label[:24]:<24} {bar} {score:6.1%}")

    def _write(self, text: str) -> None:
        with self._lock:
            self._out.write(text)
            self._out.flush()


def short(path: Path) -> str:
    """A path as short as it can be from where the person stands."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

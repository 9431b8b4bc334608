"""What is written where: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich import filesize
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aihub.cli.failures import Failure

WIDE = 10_000  # columns where nobody looks: there, lines are not broken


class Output:
    """One command's way of speaking."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet or as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def data(self, value: Any) -> None:
        """The result for a program."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def line(self, text: str) -> None:
        """A line of the result for a person."""
        self.out.print(Text(clean(text)))

    def note(self, text: str) -> None:
        """How it goes, for a person."""
        if not self.quiet:
            self.err.print(Text(clean(text)), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            right = column in _NUMBERS
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(clean(cell)) for cell in row))
        self.out.print(table)

    def facts(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Names and values; those without a value are left out."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in facts:
            if value not in (None, "", [], {}):
                table.add_row(name, Text(clean(value, lines=True)))
        self.out.print(table)

    def failure(self, failure: Failure) -> None:
        """One line, or one object, on standard error."""
        if self.as_json:
            sys.stderr.write(json.dumps(failure.as_json(), ensure_ascii=False) + "\n")
        else:
            sys.stderr.write(f"aihub: {clean(failure.line())}\n")


_NUMBERS = frozenset({"size", "score", "versions", "calls", "parameters"})


def _console(*, stderr: bool) -> Console:
    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else WIDE
    return Console(file=file, highlight=False, markup=False, emoji=False, width=width)


def clean(value: Any, *, lines: bool = False) -> str:
    """Text of others for a terminal: without what would steer it."""
    kept = "\n" if lines else ""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() or c in kept else " " for c in text)


def size(count: Any) -> str:
    return filesize.decimal(count) if isinstance(count, int) else ""


def moment(text: Any) -> str:
    """A moment of the hub's in this machine's time."""
    try:
        return datetime.fromisoformat(str(text)).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""


def words(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)

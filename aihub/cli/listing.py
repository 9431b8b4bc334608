"""Lists of the hub's, as tables or JSON."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any

import typer

from aihub.cli.output import Output

SOME = 50  # rows, unless all are asked for
All = Annotated[bool, typer.Option("--all", help=f"More than the first {SOME}.")]


def listed(
    output: Output, rows: Iterable[Any], everything: bool, columns: tuple[str, ...], row: Any
) -> None:
    """Write rows of a list of the hub's, some or all of them."""
    found = list(rows if everything else islice(rows, SOME + 1))
    shown = found if everything else found[:SOME]
    if output.as_json:
        output.data(shown)
        return
    output.table(columns, map(row, shown))
    if not found:
        output.note("There are none, or none that you may see.")
    if len(found) > len(shown):
        output.note(f"These are the first {SOME}; --all lists the others too.")

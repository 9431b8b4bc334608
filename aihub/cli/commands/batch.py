"""`aihub batch`: many inputs through a model, from this machine, in their order."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from aihub.cli import calling, hub as hubs, which
from aihub.cli.calling import Picture
from aihub.cli.crew import in_order
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.output import Output
from aihub.cli.rows import Row, Unreadable, rows
from aihub.cli.running import Json, OneVersion, Parallel, Quiet, command
from aihub.cli.which import Which
from aihub.cli.written import Written, json_line

BUSY = 600.0  # seconds that a full queue is waited for
# What is wrong with one input alone; anything else would be said of every other one too.
_OF_THE_ROW = frozenset({400, 413, 415, 422, 500, 504})


@dataclass
class Counts:
    """Rows that were there, went well, and failed."""

    before: int = 0
    done: int = 0
    failed: int = 0


@command
def batch(
    name: OneVersion,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Pictures, folders or .zip of pictures, or .jsonl: a text, an array, or an "
            "object by input, on each line.",
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, help=".jsonl or .csv; default: to standard output."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Of the best classes.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew, though there is an output.")
    ] = False,
    fail_over: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Fail where more than this share of the rows fails."),
    ] = 1.0,
    parallel: Parallel = 4,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Send many inputs through a model.

    Writes {key, predictions, error} for each, in their order: the key is the path, or the number
    of the line. The calls are made from here, several at once. With --output, the same command
    goes on where an interrupted one was.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if as_json and not to:
        raise Failure("--json counts the rows: name a file for them with --output.", Exit.USAGE)
    counts = Counts()
    with hubs.connect(busy=BUSY) as hub:
        wanted = _settled(hub, which.parse(name))
        hub.patience = hubs.TRANSFERS
        found = rows(inputs)
        written = Written(to, anew=overwrite) if to else None
        if written:
            _skip(found, written, counts)
        _run(hub, wanted, found, top, parallel, _writer(written, counts), bool(to))
    _say(output, counts, to, fail_over)


def _settled(hub: Hub, wanted: Which) -> Which:
    """The same version for every row, also where an alias moves meanwhile. Who may call a model
    but not read it gets what the hub chooses for each."""
    try:
        return Which(wanted.model, which.find(hub, wanted)["version"])
    except Failure as failure:
        if failure.status in (403, 404):
            return wanted
        raise


def _skip(found: Iterator[Row], written: Written, counts: Counts) -> None:
    """Pass over the inputs whose rows are there; `Failure` where those are of other inputs."""
    try:
        for key, failed in written.rows():
            row = next(found, None)
            if row is None or row.key != key:
                raise ValueError(key)
            counts.before += 1
            counts.failed += failed
            counts.done += not failed
    except (ValueError, KeyError, TypeError):
        raise Failure(
            "The output holds rows of other inputs: name another file, or --overwrite it.",
            Exit.USAGE,
        ) from None
    written.go_on()


def _run(
    hub: Hub,
    wanted: Which,
    found: Iterator[Row],
    top: int | None,
    parallel: int,
    write: Callable[[str, Any, str | None], None],
    kept: bool,
) -> None:
    def call(row: Row) -> tuple[str, Any, str | None]:
        return (row.key, *_predicted(hub, wanted, row, top))

    try:
        for answer in in_order(found, call, threads=parallel, stop=hub.stop):
            write(*answer)
    except (Failure, KeyboardInterrupt) as error:
        on = "; the rows so far are kept, and the same command goes on from there." if kept else "."
        if isinstance(error, KeyboardInterrupt):
            raise Failure(f"interrupted{on}", Exit.INTERRUPTED) from None
        error.message = f"{error.message.rstrip('.')}{on}"
        raise


def _predicted(hub: Hub, wanted: Which, row: Row, top: int | None) -> tuple[Any, str | None]:
    """The predictions of a row, or why there are none."""
    try:
        value = row.read()
        if isinstance(value, Picture):
            answer = calling.predict_pictures(hub, wanted, [value], top)
        else:
            answer = calling.predict_inputs(hub, wanted, value, top)
    except Unreadable as unreadable:
        return None, str(unreadable)
    except Failure as failure:
        if failure.status not in _OF_THE_ROW:
            raise
        return None, failure.line()
    predictions = answer["predictions"]
    return predictions[0] if len(predictions) == 1 else predictions, None


def _writer(written: Written | None, counts: Counts) -> Callable[[str, Any, str | None], None]:
    def write(key: str, predictions: Any, error: str | None) -> None:
        if written:
            written.add(key, predictions, error)
        else:
            sys.stdout.buffer.write(json_line(key, predictions, error))
            sys.stdout.buffer.flush()
        counts.failed += error is not None
        counts.done += error is None

    return write


def _say(output: Output, counts: Counts, to: Path | None, fail_over: float) -> None:
    total = counts.done + counts.failed
    share = counts.failed / total if total else 0.0
    if total == 0:
        raise Failure("There are no inputs: no pictures, and no lines.", Exit.USAGE)
    if counts.failed == total or share > fail_over:
        where = f"; {to} says why" if to else ""
        raise Failure(f"{counts.failed} of {total} rows failed{where}.", **asdict(counts))
    if output.as_json:
        output.data(asdict(counts) | {"output": str(to)})
    else:
        output.note(f"{total} rows, {counts.failed} of them failed.")

"""`aihub batch`: many inputs through a model, by a batch job of the hub's."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from aihub.cli import batch_input, hub as hubs, job_outputs, jobs, watching, which
from aihub.cli.failures import Exit, Failure
from aihub.cli.job_outputs import Format, To
from aihub.cli.output import Output
from aihub.cli.running import Json, OneVersion, Parallel, Quiet, command

_PLAIN = ("top", "key", "encoding", "fail_over", "priority", "team", "batch_size", "chunk_rows")
Text = Annotated[str | None, typer.Option()]


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="One .csv, .jsonl, .parquet (also .gz, .zst), .zip or .tar (.gz, .zst); or pictures "
        "and folders of pictures; or s3:PREFIX, objects of the hub's bucket.",
    ),
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="Of the output; default: as its name ends.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="INPUT=COLUMN[,COLUMN...]",
        help="The columns of a table that an input of the model is taken from; may be repeated.",
    ),
]
FailOver = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Stop and fail where more of the rows (0 to 1) fail."),
]
Prefix = Annotated[str | None, typer.Option(help="As INPUT s3:PREFIX.")]
Top = Annotated[int | None, typer.Option(min=1, help="Of the best classes.")]
Key = Annotated[str | None, typer.Option(help="The column of the rows' keys.")]
Delimiter = Annotated[
    str | None, typer.Option(help="Of a CSV: “,”, “;”, “|” or “tab”; default: found.")
]
NoHeader = Annotated[bool, typer.Option("--no-header", help="The first line of the CSV is a row.")]
Rank = Annotated[Priority | None, typer.Option(help="Among the jobs of the team.")]
ForTeam = Annotated[str | None, typer.Option(help="For whom it runs.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Rows that run together; default: the fastest.")
]
ChunkRows = Annotated[int | None, typer.Option(min=1, help="Rows that one worker takes at a time.")]
Once = Annotated[str | None, typer.Option(help="The same key makes no second job.")]
Detach = Annotated[bool, typer.Option("--detach", help="Write the job's number and do not wait.")]


@command
def batch(
    context: typer.Context,
    name: OneVersion,
    inputs: Inputs = None,
    to: To = None,
    output_format: FormatOption = None,
    prefix: Prefix = None,
    top: Top = None,
    columns: Columns = None,
    key: Key = None,
    delimiter: Delimiter = None,
    encoding: Text = None,
    no_header: NoHeader = False,
    fail_over: FailOver = None,
    priority: Rank = None,
    team: ForTeam = None,
    batch_size: BatchSize = None,
    chunk_rows: ChunkRows = None,
    idempotency_key: Once = None,
    detach: Detach = False,
    parallel: Parallel = 4,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Send many inputs through a model, as a batch job.

    Sends the input, waits, and fetches the output: {key, predictions, version, error} for each
    row, in the order of the input; the key is the path in an archive or a folder, or the number
    of the row. Interrupted while it sends, the same command goes on; later, “aihub jobs wait”.
    """
    output = Output(as_json=as_json, quiet=quiet)
    given, wanted = batch_input.given(inputs or [], prefix), which.parse(name)
    body = {"model": wanted.model, **wanted.query, **_body(context.params)}
    _check(body["output_format"], context.params)
    with hubs.connect() as hub:
        jobs.check(hub, wanted, body)
        hub.patience = hubs.TRANSFERS
        job = jobs.Maker(hub, output, body, idempotency_key).make(given, parallel)
        if detach:
            _say_made(output, job)
        else:
            _follow(hub, output, job, to, parallel)


def _follow(
    hub: hubs.Hub, output: Output, job: Mapping[str, Any], to: Path | None, parallel: int
) -> None:
    """Wait for the job, and fetch its output."""
    output.note(f"Job {job['id']}: {job['model']} {job['version']}.")
    with watching.goes_on(job["id"], to):
        found = watching.over(hub, output, job["id"])
        watching.check(found)
        job_outputs.fetch(hub, output, found, to, parallel)
    watching.check_rows(found, to)
    say_over(output, found, to)


def say_over(output: Output, found: Mapping[str, Any], to: Any) -> None:
    """The result of a job that went well."""
    if output.as_json:
        output.data({**found, "file": str(to) if to else None})
    else:
        output.note(f"{found['total']} rows, {found['failed']} of them failed.")


def _say_made(output: Output, job: Mapping[str, Any]) -> None:
    if output.as_json:
        output.data(job)
    else:
        output.line(str(job["id"]))


def _check(output_format: Format, given: Mapping[str, Any]) -> None:
    """`Failure` where standard output cannot take the rows."""
    if given["to"] or given["detach"]:
        return
    if given["as_json"]:
        raise Failure("--json counts the rows: name a file for them with --output.", Exit.USAGE)
    if output_format == Format.PARQUET:
        raise Failure("Parquet goes into a file: name it with --output.", Exit.USAGE)


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the job, as the API takes it."""
    body: dict[str, Any] = {name: given[name] for name in _PLAIN}
    body["columns"] = _columns(given["columns"] or [])
    body["delimiter"] = {"tab": "\t", "\\t": "\t"}.get(given["delimiter"], given["delimiter"])
    body["header"] = False if given["no_header"] else None
    said = {name: value for name, value in body.items() if value not in (None, {})}
    return said | {"output_format": job_outputs.format_of(given["to"], given["output_format"])}


def _columns(given: Sequence[str]) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for text in given:
        name, _, said = text.partition("=")
        names = said.split(",")
        if not name or not all(names):
            raise Failure(f"--columns wants INPUT=COLUMN, not “{text}”.", Exit.USAGE)
        found[name] = names if len(names) > 1 else names[0]
    return found

"""`aihub jobs …`: batch jobs listed, looked at, waited for, steered and fetched."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from aihub.cli import hub as hubs, job_outputs, jobs, watching
from aihub.cli.commands.batch import say_over
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.job_outputs import To
from aihub.cli.listing import All, listed
from aihub.cli.output import Output, moment, size, words
from aihub.cli.running import Json, Parallel, Quiet, command

JobId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The job's number.")]


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@command
def list_jobs(
    state: Annotated[list[State] | None, typer.Option(help="May be repeated.")] = None,
    model: Annotated[str | None, typer.Option()] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Those that you made.")] = False,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """List batch jobs, the newest first."""
    with hubs.connect() as hub:
        me = _me(hub) if mine else None
        rows = hub.pages(jobs.JOBS, state=state or "", model=model, created_by=me)
        listed(Output(as_json=as_json), rows, everything, _COLUMNS, _row)


@command
def show(job: JobId, as_json: Json = False) -> None:
    """Show a batch job, whole."""
    output = Output(as_json=as_json)
    with hubs.connect() as hub:
        found = jobs.found(hub, job)
    if as_json:
        output.data(found)
        return
    output.facts(_facts(found))
    if found["errors"]:
        output.line("")
        rows = [(error["key"], error["error"]) for error in found["errors"]]
        output.table(("key", "error"), rows)


@command
def wait(
    job: JobId, to: To = None, parallel: Parallel = 4, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Wait until a batch job is over; with --output fetch what it put out."""
    output = Output(as_json=as_json, quiet=quiet)
    with hubs.connect(patience=hubs.TRANSFERS) as hub, watching.goes_on(job, to):
        found = watching.over(hub, output, job)
        watching.check(found)
        if to:
            job_outputs.fetch(hub, output, found, to, parallel)
    watching.check_rows(found, to)
    say_over(output, found, to)


@command
def fetch(
    job: JobId, to: To = None, parallel: Parallel = 4, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Fetch the output of a batch job, and check its sum.

    With --output, the same command goes on where an interrupted one was.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if as_json and not to:
        raise Failure("--json describes the output: name a file with --output.", Exit.USAGE)
    with hubs.connect(patience=hubs.TRANSFERS) as hub:
        told = job_outputs.fetch(hub, output, jobs.found(hub, job), to, parallel)
    if as_json:
        output.data(told | {"file": str(to)})
    else:
        output.note(f"{told['rows']} rows, {size(told['size'])}.")


@command
def cancel(job: JobId, as_json: Json = False) -> None:
    """Stop a batch job for good."""
    _act(job, "cancel", as_json)


@command
def pause(job: JobId, as_json: Json = False) -> None:
    """Let a batch job rest; what is under way is finished."""
    _act(job, "pause", as_json)


@command
def resume(job: JobId, as_json: Json = False) -> None:
    """Go on with a paused batch job."""
    _act(job, "resume", as_json)


@command
def retry(job: JobId, as_json: Json = False) -> None:
    """Compute again what failed in a batch job that is over; the rows that went well stay."""
    _act(job, "retry", as_json)


@command
def clone(job: JobId, as_json: Json = False) -> None:
    """Make the same batch job once more, with the version that answers now."""
    with hubs.connect() as hub:
        _say(Output(as_json=as_json), jobs.again(hub, job))


def _act(job: int, action: str, as_json: bool) -> None:
    with hubs.connect() as hub:
        _say(Output(as_json=as_json), hub.post(f"{jobs.path(job)}{action}/"))


def _say(output: Output, found: Mapping[str, Any]) -> None:
    if output.as_json:
        output.data(found)
    else:
        output.line(f"Job {found['id']} is {found['state']}.")


def _me(hub: Hub) -> str:
    if not hub.login.username:
        raise Failure("--mine is for people: an API key has no name here.", Exit.USAGE)
    return hub.login.username


_COLUMNS = ("id", "state", "model", "version", "input", "rows", "by", "created")


def _row(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        found["id"],
        found["state"],
        found["model"],
        found["version"],
        found["input"]["name"],
        watching.counted(found),
        found["created_by"],
        moment(found["created_at"]),
    )


def _facts(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    given, told = found["input"], found["output"] or {}
    options = words(f"{name}={value}" for name, value in found["options"].items())
    return [
        ("job", found["id"]),
        ("state", found["state"]),
        ("stalled", found["stalled"]),
        ("reason", found["reason"]),
        ("model", f"{found['model']} {found['version']}"),
        ("team", found["team"]),
        ("priority", found["priority"]),
        ("input", " ".join(filter(None, (given["name"], given["format"], size(given["size"]))))),
        ("rows", watching.counted(found)),
        ("output", " ".join(filter(None, (found["output_format"], size(told.get("size")))))),
        ("options", options),
        ("clone of", found["cloned_from"]),
        ("made", f"{moment(found['created_at'])} by {found['created_by']}"),
        ("started", moment(found["started_at"])),
        ("finished", moment(found["finished_at"])),
        ("kept until", moment(found["expires_at"])),
    ]


group = typer.Typer(help="List, watch and steer batch jobs.", no_args_is_help=True)
for name, function in (
    ("list", list_jobs),
    ("show", show),
    ("wait", wait),
    ("output", fetch),
    ("cancel", cancel),
    ("pause", pause),
    ("resume", resume),
    ("retry", retry),
    ("clone", clone),
):
    group.command(name)(function)

"""The output of a batch job: its format, and its bytes, checked."""

import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from aihub.cli import jobs
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.output import Output
from aihub.cli.receiving import Receiver, Remote

To = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", dir_okay=False, help="Into this file; default: to standard output."
    ),
]


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


_ENDINGS = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
}


def format_of(to: Path | None, said: Format | None) -> Format:
    """The format that is said, or that the file's name ends in; JSON lines for standard output."""
    ending = _ENDINGS.get(to.suffix.lower()) if to else Format.JSONL
    if not (said or ending):
        raise Failure(
            f"{to} does not say its format: let it end in .jsonl, .csv or .parquet, or use "
            "--format.",
            Exit.USAGE,
        )
    return said or ending or Format.JSONL


def fetch(
    hub: Hub, output: Output, job: dict[str, Any], to: Path | None, parallel: int
) -> dict[str, Any]:
    """Write the output of a job that succeeded; what is described of it. Interrupted, the same
    call goes on where a file was named. Standard output gets nothing that is not checked."""
    told: dict[str, Any] | None = job["output"]
    if told is None:
        gone = (
            "was removed" if job["state"] == "succeeded" else f"is not there: it is {job['state']}"
        )
        raise Failure(f"The output of job {job['id']} {gone}.", job=job)
    name = to.name if to else f"batch-{job['id']}.{told['format']}"
    remote = Remote(f"{jobs.path(job['id'])}output/", name, told["size"], told["sha256"])
    receiver = Receiver(hub, output, parallel)
    if to:
        receiver.fetch(remote, to)
        return told
    with tempfile.TemporaryDirectory(prefix="aihub-") as folder:
        place = Path(folder) / name
        receiver.fetch(remote, place)
        with place.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    return told

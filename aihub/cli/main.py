"""The commands of `aihub`, put together."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from aihub import __version__
from aihub.cli.commands import batch, batch_jobs, moving, predict, pull, push, reading, signing_in

app = typer.Typer(
    name="aihub",
    help="Publish models to an AIHub, fetch them, and call them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 refused or failed, 2 usage, 3 not signed in or not allowed, "
    "4 not found, 5 hub unreachable, 6 version rejected, 7 waits for approval, 130 interrupted.",
)
for command in (
    signing_in.login,
    signing_in.logout,
    signing_in.whoami,
    push.push,
    reading.ls,
    reading.show,
    pull.pull,
    moving.promote,
    moving.rollback,
    predict.predict,
    batch.batch,
):
    app.command()(command)
app.add_typer(batch_jobs.group, name="jobs")


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aihub {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Its version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show all letters
    app(prog_name="aihub")

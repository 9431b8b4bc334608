"""A command from its first line to its exit code, and options that many share."""

import functools
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from aihub.cli.failures import Exit, Failure
from aihub.cli.output import Output

Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write nothing but the result.")]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, max=64, help="How many may be under way at once.")
]
OneVersion = Annotated[
    str,
    typer.Argument(
        metavar="MODEL[@WHICH]",
        help="WHICH is a version (1.2.0), an alias (staging) or a range (^1.2); without it the "
        "alias production, else the newest ready version.",
    ),
]


def command(function: Callable[..., Any]) -> Callable[..., None]:
    """Runs a command and exits with the code of its failure; `as_json` decides on the form."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except Failure as failure:
            _end(failure, kwargs)
        except KeyboardInterrupt:
            _end(Failure("interrupted.", Exit.INTERRUPTED), kwargs)
        except BrokenPipeError:  # nobody reads any more, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.FAILED) from None
        except OSError as error:
            _end(Failure(_said(error)), kwargs)

    return run


def _end(failure: Failure, kwargs: dict[str, Any]) -> None:
    Output(as_json=bool(kwargs.get("as_json"))).failure(failure)
    raise typer.Exit(int(failure.code)) from None


def _said(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"

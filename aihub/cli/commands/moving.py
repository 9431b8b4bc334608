"""`aihub promote` and `rollback`: what a name points at."""

from typing import Annotated, Any

import typer

from aihub.cli import hub as hubs, which
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.output import Output
from aihub.cli.running import Json, command

AliasName = Annotated[str, typer.Option("--alias", "-a", help="Which name moves.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept in the history.")]
Model = Annotated[str, typer.Argument(metavar="MODEL")]


@command
def promote(
    model: Model,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version, another alias, or a range.")
    ],
    alias: AliasName = which.DEFAULT_ALIAS,
    comment: Comment = "",
    allow_incompatible: Annotated[
        bool,
        typer.Option("--allow-incompatible", help="Also where inputs or outputs differ."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Point an alias at a version.

    Where the model demands approval this only asks for it, and the exit code is 7.
    """
    with hubs.connect() as hub:
        number = which.find(hub, which.Which(model, version))["version"]
        body: dict[str, Any] = {"version": number, "comment": comment}
        if allow_incompatible:
            body["allow_incompatible"] = True
        _move(hub, Output(as_json=as_json), "PUT", which.alias_path(model, alias), body)


@command
def rollback(
    model: Model,
    alias: AliasName = which.DEFAULT_ALIAS,
    comment: Comment = "",
    as_json: Json = False,
) -> None:
    """Point an alias at the version that it was at before."""
    with hubs.connect() as hub:
        path = f"{which.alias_path(model, alias)}rollback/"
        _move(hub, Output(as_json=as_json), "POST", path, {"comment": comment})


def _move(hub: Hub, output: Output, method: str, path: str, body: dict[str, Any]) -> None:
    """Says where the alias is now; `Failure` with a code of its own where it waits."""
    response = hub.answer(method, path, json=body)
    found = response.json()
    if response.status_code == 202:
        said = f"{found.get('alias') or 'The alias'} stays until an owner has approved the move"
        where = f"{hub.login.url}/approvals/{found.get('id')}/"
        raise Failure(f"{said} to {found.get('version')}: {where}", Exit.WAITING, approval=found)
    if output.as_json:
        output.data(found)
    else:
        output.line(f"{found['alias']} of {found['model']} is {found['version']} now.")

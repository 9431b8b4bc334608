"""`aihub pull`: the files of a version, checked."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from aihub.cli import hub as hubs, which
from aihub.cli.failures import Failure
from aihub.cli.output import Output, size
from aihub.cli.receiving import Receiver, Remote
from aihub.cli.running import Json, OneVersion, Parallel, Quiet, command
from aihub.cli.targets import target


@command
def pull(
    name: OneVersion,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", file_okay=False, help="Into this folder; default: MODEL-VERSION."
        ),
    ] = None,
    parallel: Parallel = 4,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fetch the files of a version, and check their sums.

    Interrupted or cut off, the same command goes on where it was. Files that are there already
    and right are not fetched.
    """
    output = Output(as_json=as_json, quiet=quiet)
    with hubs.connect() as hub:
        found = which.find(hub, which.parse(name))
        hub.patience = hubs.TRANSFERS
        remotes = _remotes(found)
        into = folder or Path(f"{found['model']}-{found['version']}")
        places = [target(into, remote.path) for remote in remotes]
        _check_room(into, remotes)
        receiver = Receiver(hub, output, parallel)
        fetched = [receiver.fetch(*pair) for pair in zip(remotes, places, strict=True)]
    _say(output, found, into, remotes, fetched)


def _remotes(found: Mapping[str, Any]) -> list[Remote]:
    for file in found["files"]:
        if not file["sha256"]:
            raise Failure(f"{found['model']} {found['version']} is still being processed.")
    url = f"{which.version_path(found['model'], found['version'])}download/"
    return [
        Remote(
            f"{url}?path={quote(file['path'], safe='')}",
            *(file["path"], file["size"], file["sha256"]),
        )
        for file in found["files"]
    ]


def _check_room(folder: Path, remotes: list[Remote]) -> None:
    """`Failure` before anything is fetched, where the disk certainly is too small."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    needed, disk = sum(remote.size for remote in remotes), shutil.disk_usage(there)
    if needed > disk.total:
        raise Failure(f"{size(needed)} do not fit on the disk of {there}.")


def _say(
    output: Output,
    found: Mapping[str, Any],
    into: Path,
    remotes: list[Remote],
    fetched: list[bool],
) -> None:
    if output.as_json:
        files = [
            {"path": remote.path, "size": remote.size, "sha256": remote.sha256, "fetched": new}
            for remote, new in zip(remotes, fetched, strict=True)
        ]
        named = {"model": found["model"], "version": found["version"]}
        output.data(named | {"folder": str(into), "files": files})
        return
    total = sum(remote.size for remote, new in zip(remotes, fetched, strict=True) if new)
    files_said = "1 file" if len(remotes) == 1 else f"{len(remotes)} files"
    output.line(
        f"{found['model']} {found['version']}: {files_said} in {into}, {size(total)} fetched."
    )

"""`aihub push`: files, or a DVC pointer, become a version."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from aihub.cli import hub as hubs, local, publishing, values
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.local import Source
from aihub.cli.output import Output
from aihub.cli.running import Json, Parallel, Quiet, command
from aihub.cli.sending import Sender, Sent, kept_if_interrupted
from aihub.cli.unfinished import Memory, Unfinished

_PLAIN = ("version", "architecture", "num_classes", "task", "team", "parent", "description")
_OBJECTS = ("preprocessing", "options", "metrics", "source", "parameters")
WIDE_HELP = "JSON, @file with JSON, or name=value; may be repeated."
Text = Annotated[str | None, typer.Option()]
Objects = Annotated[list[str] | None, typer.Option(help=WIDE_HELP)]
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE...", help="Files, or folders of files.")
]
Pointer = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="A .dvc file: its content is in the bucket already."
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(help="A file with a label a line or a JSON list, or such a list itself."),
]
Classes = Annotated[int | None, typer.Option(min=1)]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="Default: found from the content.")
]
Options = Annotated[list[str] | None, typer.Option(help=f"Of the architecture. {WIDE_HELP}")]
Origin = Annotated[
    list[str] | None, typer.Option(help=f"Repository, commit, data set, run. {WIDE_HELP}")
]
Parent = Annotated[str | None, typer.Option(help="The version that this one was made from.")]
Card = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A Markdown file.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Until the version is ready or rejected.")
]
Model = Annotated[str, typer.Argument(metavar="MODEL")]
Version = Annotated[str, typer.Argument(metavar="VERSION")]


@command
def push(
    context: typer.Context,
    model: Model,
    version: Version,
    files: Files = None,
    dvc: Pointer = None,
    architecture: Text = None,
    labels: Labels = None,
    num_classes: Classes = None,
    task: Text = None,
    team: Text = None,
    file_format: FormatOption = None,
    preprocessing: Objects = None,
    options: Options = None,
    metrics: Objects = None,
    source: Origin = None,
    parameters: Objects = None,
    parent: Parent = None,
    card: Card = None,
    description: Text = None,
    wait: Wait = True,
    parallel: Parallel = 4,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Publish a version from files, however large.

    Sent in parts, several at once. Interrupted, killed or cut off, the same command goes on where
    it was: only parts that were under way are sent again. Content that the hub has is not sent.
    """
    output = Output(as_json=as_json, quiet=quiet)
    given = local.sources(files or [])
    if bool(given) == bool(dvc):
        raise Failure("Name files, or a pointer with --dvc, and not both.", Exit.USAGE)
    body = _body(context.params)
    sent: list[Sent] = []
    with hubs.connect(patience=hubs.TRANSFERS) as hub:
        if dvc:
            found = publishing.publish(hub, model, body | {"dvc": values.text_of(dvc)})
        else:
            sent, found = _push(hub, output, model, body, given, parallel)
        if wait:
            found = publishing.processed(hub, output, model, found["version"])
    _say(output, sent, found)


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the version, as the API takes it."""
    body = {name: given[name] for name in _PLAIN}
    body |= {name: values.objects(f"--{name}", given[name] or []) for name in _OBJECTS}
    body["format"] = given["file_format"]
    body["labels"] = values.labels(given["labels"]) if given["labels"] else None
    body["card"] = values.text_of(given["card"]) if given["card"] else None
    return {name: value for name, value in body.items() if value not in (None, {})}


def _push(
    hub: Hub,
    output: Output,
    model: str,
    body: dict[str, Any],
    given: list[Source],
    parallel: int,
) -> tuple[list[Sent], dict[str, Any]]:
    """What was sent, and the version; nothing is sent for a version that is there already."""
    sender = Sender(hub, output, parallel)
    with _memories(hub, given) as memories:
        known = [sender.summed(*pair) for pair in zip(given, memories, strict=True)]
        sums = {source.path: file.sha256 for source, file in zip(given, known, strict=True)}
        found = publishing.published_same(hub, output, model, body["version"], sums)
        if found:
            output.note(f"{model} {found['version']} is published already, from these files.")
            return [], found
        publishing.check(hub, model, body)
        sent = _send_all(sender, given, known, memories)
        files = [{"upload": file.upload, "path": file.path} for file in sent]
        found = publishing.publish(hub, model, body | {"files": files})
        for memory in memories:
            memory.forget()
    return sent, found


def _send_all(
    sender: Sender, given: list[Source], known: list[Unfinished], memories: list[Memory]
) -> list[Sent]:
    with kept_if_interrupted():
        return [sender.send(*each) for each in zip(given, known, memories, strict=True)]


@contextmanager
def _memories(hub: Hub, given: list[Source]) -> Iterator[list[Memory]]:
    """The notes on each file, for this process alone."""
    with ExitStack() as stack:
        memories = [Memory(hub.login.url, source.file) for source in given]
        for memory in memories:
            stack.enter_context(memory.alone())
        yield memories


def _say(output: Output, sent: list[Sent], found: dict[str, Any]) -> None:
    """The result; `Failure` for a version that was rejected."""
    if found["state"] == "rejected":
        raise publishing.rejection(found)
    if output.as_json:
        output.data({"version": found, "uploads": [asdict(file) for file in sent]})
    else:
        output.line(f"{found['model']} {found['version']} is {found['state']}.")

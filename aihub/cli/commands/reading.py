"""`aihub ls` and `aihub show`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from aihub.cli import hub as hubs, which
from aihub.cli.hub import Hub
from aihub.cli.listing import All, listed
from aihub.cli.output import Output, moment, size, words
from aihub.cli.running import Json, OneVersion, command


@command
def ls(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="List this model's versions.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option("--search", "-s", help="Words, or “metrics.accuracy >= 0.9 and tag:vision”."),
    ] = None,
    team: Annotated[str | None, typer.Option()] = None,
    task: Annotated[str | None, typer.Option()] = None,
    tag: Annotated[str | None, typer.Option()] = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """List models, or the versions of one."""
    output = Output(as_json=as_json)
    with hubs.connect() as hub:
        if model:
            rows = hub.pages(f"{which.model_path(model)}versions/", search=search)
            listed(output, rows, everything, _VERSIONS, _version_row)
        else:
            rows = hub.pages("/models/", search=search, team=team, task=task, tag=tag)
            listed(output, rows, everything, _MODELS, _model_row)


@command
def show(name: OneVersion, as_json: Json = False) -> None:
    """Show a model with its newest versions, or with @WHICH one version, whole."""
    output, wanted = Output(as_json=as_json), which.parse(name)
    with hubs.connect() as hub:
        if wanted.version:
            _show_version(output, which.find(hub, wanted))
        else:
            _show_model(output, hub, wanted.model)


_MODELS = ("name", "team", "task", "versions", "aliases", "tags")
_VERSIONS = ("version", "state", "aliases", "format", "size", "by", "created")


def _model_row(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        found["name"],
        found["team"],
        found["task"],
        found["versions"],
        _aliases(found["aliases"]),
        words(found["tags"]),
    )


def _version_row(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        found["version"],
        found["state"],
        words(found["aliases"]),
        found["format"],
        size(found["size"]),
        found["created_by"],
        moment(found["created_at"]),
    )


def _show_model(output: Output, hub: Hub, name: str) -> None:
    found = hub.get(which.model_path(name))
    versions = list(hub.pages(f"{which.model_path(name)}versions/", limit=10))
    if output.as_json:
        output.data(found | {"newest": versions})
        return
    output.facts(
        [
            ("model", found["name"]),
            ("team", found["team"]),
            ("task", found["task"]),
            ("description", found["description"]),
            ("tags", words(found["tags"])),
            ("aliases", _aliases(found["aliases"])),
            ("versions", found["versions"]),
            ("changed", moment(found["updated_at"])),
        ]
    )
    output.line("")
    output.table(_VERSIONS, map(_version_row, versions))


def _show_version(output: Output, found: Mapping[str, Any]) -> None:
    if output.as_json:
        output.data(found)
        return
    output.facts(_facts(found))
    output.line("")
    files = [(file["path"], size(file["size"]), file["sha256"]) for file in found["files"]]
    output.table(("file", "size", "sha256"), files)
    if found["report"]:
        output.line("")
        rows = [(f["severity"], f["layer"], f["file"], f["message"]) for f in found["report"]]
        output.table(("severity", "layer", "file", "finding"), rows)


def _facts(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("model", found["model"]),
        ("version", found["version"]),
        ("state", found["state"]),
        ("reason", found["reason"]),
        ("damaged", "its files in the storage were changed" if found.get("damaged") else ""),
        ("aliases", words(found["aliases"])),
        ("description", found["description"]),
        ("format", found["format"]),
        ("architecture", found["architecture"]),
        ("parameters", found["parameter_count"]),
        ("labels", _some(found.get("labels") or [])),
        ("inputs", _tensors(found["signature"], "inputs")),
        ("outputs", _tensors(found["signature"], "outputs")),
        ("metrics", _pairs(found["metrics"])),
        ("parameters set", _pairs(found.get("parameters") or {})),
        ("source", _pairs(found["source"])),
        ("parent", found.get("parent")),
        ("published", f"{moment(found['created_at'])} by {found['created_by']}"),
        ("ready", moment(found["ready_at"])),
    ]


def _tensors(signature: Mapping[str, Any], side: str) -> str:
    tensors = signature.get(side) or []
    return words(f"{t.get('name')} {t.get('datatype')} {t.get('shape')}" for t in tensors)


def _some(labels: Sequence[str]) -> str:
    more = " …" if len(labels) > 5 else ""
    return f"{len(labels)}: {words(labels[:5])}{more}" if labels else ""


def _pairs(values: Mapping[str, Any]) -> str:
    return words(f"{name}={value}" for name, value in values.items())


def _aliases(aliases: Mapping[str, str]) -> str:
    return words(f"{name}={version}" for name, version in aliases.items())

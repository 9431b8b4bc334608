"""A version from files that the hub has: published, and watched until it is ready or rejected."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.output import Output
from aihub.cli.which import model_path, version_path

POLL = 0.3  # seconds
DONE = ("ready", "rejected")
_OF_FILES = ("files", "dvc", "", "non_field_errors")


def published_same(
    hub: Hub, output: Output, model: str, version: str, sums: Mapping[str, str]
) -> dict[str, Any] | None:
    """The version where it is there with these files (their sums by path), None where it can be
    published; `Failure` where it is there with others."""
    found = hub.get_if_there(version_path(model, version))
    if found and found["state"] not in DONE and _paths(found) == set(sums):
        found = processed(hub, output, model, version)
    if not found or found["state"] == "rejected":
        return None
    if {file["path"]: file["sha256"] for file in found["files"]} == dict(sums):
        same: dict[str, Any] = found
        return same
    raise Failure(
        f"{model} {found['version']} is published already, with other files; "
        "a version that is ready does not change. Choose another number.",
        state=found["state"],
    )


def check(hub: Hub, model: str, body: dict[str, Any]) -> None:
    """`Failure` for what would be refused, before anything is sent: a version without any file
    is refused, so that all that may be wrong with it is its files."""
    try:
        publish(hub, model, body)
    except Failure as failure:
        others = [error for error in failure.errors if error.get("field") not in _OF_FILES]
        if failure.status == 400 and not others:
            return
        failure.errors = others
        raise


def publish(hub: Hub, model: str, body: dict[str, Any]) -> dict[str, Any]:
    """The version, accepted and on its way through the worker."""
    found: dict[str, Any] = hub.post(f"{model_path(model)}versions/", body)
    return found


def processed(hub: Hub, output: Output, model: str, version: str) -> dict[str, Any]:
    """The version once it is ready or rejected."""
    with _shown(output) as show:
        while True:
            found: dict[str, Any] = hub.get(version_path(model, version))
            show(found)
            if found["state"] in DONE:
                return found
            time.sleep(POLL)


def rejection(found: Mapping[str, Any]) -> Failure:
    """Why a version did not become ready, finding by finding."""
    errors = [
        {"field": finding["file"], "detail": finding["message"]}
        for finding in found.get("report") or []
        if finding.get("severity") not in ("info", "low")
    ]
    said = found.get("reason") or "no reason was given"
    errors = [error for error in errors if error["detail"] not in said]
    message = f"{found['model']} {found['version']} was rejected: {said}"
    return Failure(message, Exit.REJECTED, errors=errors, version=dict(found))


def _paths(found: Mapping[str, Any]) -> set[str]:
    return {file["path"] for file in found["files"]}


@contextmanager
def _shown(output: Output) -> Iterator[Any]:
    """Tells of each step as it is done, and why none is; what runs now stands on the last line."""
    told: set[str] = set()
    status = output.err.status("") if output.err.is_terminal and not output.quiet else None

    def show(found: Mapping[str, Any]) -> None:
        if (why := found.get("stalled")) and why not in told:
            told.add(why)
            output.note(why)
        for step in found["steps"]:
            if step["state"] in ("done", "failed") and step["name"] not in told:
                told.add(step["name"])
                took = step.get("duration_ms")
                seconds = f" ({took / 1000:.1f} s)" if took is not None else ""
                output.note(f"{step['name']}: {step['state']}{seconds}")
        running = [step["name"] for step in found["steps"] if step["state"] == "running"]
        if status:
            status.update(f"{running[0] if running else found['state']} …")

    if status is None:
        yield show
        return
    with status:
        yield show

"""Batch jobs as the hub has them: made over an input, and told of."""

import tempfile
import uuid
from pathlib import Path
from typing import Any

from aihub.cli import which
from aihub.cli.batch_input import Given, OneFile, Prefix
from aihub.cli.failures import Failure
from aihub.cli.hub import IDEMPOTENCY, Hub
from aihub.cli.local import Source
from aihub.cli.output import Output
from aihub.cli.packing import packed
from aihub.cli.sending import Sender, kept_if_interrupted
from aihub.cli.unfinished import Memory
from aihub.cli.which import Which

JOBS = "/batch-jobs/"
_OF_INPUT = ("input", "input.upload", "", "non_field_errors")


class Maker:
    """Makes jobs. `body` is what is said of them but the input; `key` makes one job only, however
    often it is used, and is made up where none is given."""

    def __init__(self, hub: Hub, output: Output, body: dict[str, Any], key: str | None) -> None:
        self.hub, self.output, self.body = hub, output, body
        self.kept = key is not None
        self.headers = {IDEMPOTENCY: key or uuid.uuid4().hex}

    def make(self, given: Given, parallel: int) -> dict[str, Any]:
        """The job, once the hub has its input."""
        if isinstance(given, Prefix):
            return self._over({"prefix": given.prefix})
        if isinstance(given, OneFile):
            return self._of_file(given.file, Memory(self.hub.login.url, given.file), parallel)
        with tempfile.TemporaryDirectory(prefix="aihub-") as folder:
            archive = packed(self.output, given, Path(folder))
            found_in = Path("|".join(map(str, given.given)))
            return self._of_file(archive, Memory(self.hub.login.url, found_in), parallel)

    def _of_file(self, file: Path, memory: Memory, parallel: int) -> dict[str, Any]:
        source, sender = Source(file, file.name), Sender(self.hub, self.output, parallel)
        with memory.alone(), kept_if_interrupted():
            sent = sender.send(source, sender.summed(source, memory), memory)
            job = self._over({"upload": sent.upload})
            if not self.kept:  # the same key asks for the same upload
                memory.forget()
        return job

    def _over(self, stored: dict[str, str]) -> dict[str, Any]:
        body = self.body | {"input": stored}
        job: dict[str, Any] = self.hub.call("POST", JOBS, json=body, headers=self.headers)
        return job


def check(hub: Hub, wanted: Which, body: dict[str, Any]) -> None:
    """`Failure` for what would be refused, before anything is sent: a job without an input is
    refused, so that all that may be wrong with it is its input."""
    try:
        which.find(hub, wanted)
    except Failure as failure:
        if failure.status != 403:  # who may call a model need not read it
            raise
    try:
        hub.post(JOBS, body)
    except Failure as failure:
        others = [error for error in failure.errors if error.get("field") not in _OF_INPUT]
        if failure.status == 400 and not others:
            return
        failure.errors = others
        raise


def path(job: int) -> str:
    return f"{JOBS}{job}/"


def found(hub: Hub, job: int) -> dict[str, Any]:
    """A job, whole."""
    told: dict[str, Any] = hub.get(path(job))
    return told


def again(hub: Hub, job: int) -> dict[str, Any]:
    """The same job once more."""
    headers = {IDEMPOTENCY: uuid.uuid4().hex}
    made: dict[str, Any] = hub.call("POST", f"{path(job)}clone/", headers=headers)
    return made

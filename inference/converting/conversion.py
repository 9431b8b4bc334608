"""The step that turns a program into files that are data, in a sandbox, and judges what comes out.

The sandboxed process is taken to be hostile: what it leaves is bounded, opened without following
links, scanned like any upload, and stored as content of its own before anything loads it.
"""

import json
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from aihub import sandbox
from aihub.events import SYSTEM
from aihub.sandbox import running
from inference.converting import program
from inference.converting.inputs import NO_CROP, NO_INPUTS, declared_inputs, required_inputs
from inference.own_folder import own_folder
from inference.runtimes import CONVERTED
from inference.runtimes.folders import make_available
from inference.spec import ModelSpec
from inference.specs import spec_of
from registry import scanning
from registry.models import ConvertedFile
from registry.processing.builtin import main_file
from registry.processing.steps import Context
from registry.refusals import N_, Refused
from registry.scanning import saved_models
from registry.services.blobs import blob_of_file

SERVED = "openvino"
FILES = ("model.xml", "model.bin")
MAX_FAILURE = 16 * 1024  # bytes of what a failed conversion says
GROWTH, FLOOR = 4, 256 << 20  # what it may write: times the source's bytes, and bytes beyond
PROGRAM = Path(program.__file__)

NO_SANDBOX = N_(
    "This format holds a program, which is only converted in a sandbox, and there is none here "
    "(%(reason)s). Export the model to ONNX, or publish its weights alone."
)
FAILED = N_("The program cannot be converted: %(error)s. Export the model to ONNX instead.")
DIED = N_("The program's conversion died (%(how)s). Export the model to ONNX instead.")
NOTHING = N_("The program's conversion left no model. Export the model to ONNX instead.")
EXCEEDED = {
    running.TIME: N_("Converting the program took longer than %(limit)s seconds."),
    running.MEMORY: N_("Converting the program needs more than %(limit)s MiB of memory."),
    running.PROCESSES: N_("The program tried to start more than %(limit)s threads or processes."),
    running.DISK: N_("Converting the program wrote more than %(limit)s MiB."),
    running.OUTPUT: N_("The program printed more than %(limit)s MiB while it was converted."),
}

logger = logging.getLogger(__name__)


def convert(context: Context) -> None:
    """Convert the version where its format is a program; Refused with the reason where not."""
    version = context.version
    version.served_format = ""
    if version.format not in CONVERTED:
        return
    with own_folder(settings.HOME / "cache" / "converting") as folder:
        made = converted(spec_of(version), context.paths[main_file(context)], folder)
        report = scanning.scan(
            made[FILES[0]], SERVED, siblings={path: made[path] for path in FILES[1:]}
        )
        _keep(context, made)
    version.served_format = SERVED
    version.report = [
        *version.report,
        *({"file": FILES[0], **finding.as_dict()} for finding in report.findings),
    ]


def converted(spec: ModelSpec, source: Path, folder: Path) -> dict[str, Path]:
    """The converted files by their paths, in `folder`; nothing of them is trusted yet."""
    inputs = required_inputs(spec) if spec.format == "torchscript" else declared_inputs(spec)
    mechanism = _mechanism()
    given, work_folder = folder / "given", folder / "work"
    given.mkdir()
    work_folder.mkdir()
    placed = _placed(spec.format, source, given)
    task = {"format": spec.format, "source": str(placed), "inputs": inputs}
    limits = _limits(_size(given))
    work = sandbox.Work(PROGRAM, work_folder, [json.dumps(task)], [given], limits)
    outcome = sandbox.run(work, mechanism)
    _check(outcome, work, spec)
    return {path: _taken(work_folder / path) for path in FILES}


def _mechanism() -> str:
    try:
        return sandbox.mechanism(settings.ENV.AIHUB_SANDBOX)
    except sandbox.Unavailable as unavailable:
        raise Refused(NO_SANDBOX, reason=str(unavailable)[:500]) from unavailable


def _placed(format: str, source: Path, folder: Path) -> Path:  # noqa: A002
    """The source under a name by which its reader knows it."""
    if format == "saved_model":
        saved_models.unpack(source, folder)
        return folder
    target = folder / f"model.{format}"
    make_available(source, target)
    return target


def _limits(source: int) -> sandbox.Limits:
    env = settings.ENV
    limits = sandbox.Limits(seconds=env.AIHUB_SANDBOX_SECONDS, memory=env.AIHUB_SANDBOX_MEMORY)
    return replace(limits, disk=GROWTH * source + FLOOR)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _check(outcome: sandbox.Outcome, work: sandbox.Work, spec: ModelSpec) -> None:
    """Refused unless the program came to its end and says that it did its work."""
    if outcome.exceeded:
        raise _exceeded(outcome.exceeded, work.limits)
    if outcome.ok:
        return
    said = {"process.exit_code": outcome.code, "aihub.output": outcome.output[-1000:]}
    logger.warning("converting %s %s failed", spec.model, spec.version, extra={"ecs": said})
    failure = _failure(work.folder / program.FAILURE)
    if failure is None:
        raise Refused(DIED, how=outcome.how)
    kind, error = failure
    if kind == program.NEEDS_INPUTS:
        raise Refused(NO_CROP if spec.takes_images else NO_INPUTS)
    if kind == program.OUT_OF_MEMORY:
        raise _exceeded(running.MEMORY, work.limits)
    raise Refused(FAILED, error=error.rstrip("."))


def _exceeded(what: str, limits: sandbox.Limits) -> Refused:
    most = {
        running.TIME: limits.seconds,
        running.MEMORY: limits.memory >> 20,
        running.PROCESSES: limits.threads,
        running.DISK: limits.disk >> 20,
        running.OUTPUT: limits.output >> 20,
    }
    return Refused(EXCEEDED[what], limit=most[what])


def _failure(path: Path) -> tuple[str, str] | None:
    """What the program says of its failure: a kind and an error."""
    try:
        with _opened(path) as file:
            value: Any = json.loads(os.read(file, MAX_FAILURE))
        return str(value["kind"])[:20], str(value["error"])[:500]
    except (OSError, ValueError, LookupError, TypeError, RecursionError, Refused):
        return None


def _taken(path: Path) -> Path:
    """A file that the sandbox left, if it is one and nothing else."""
    try:
        with _opened(path):
            return path
    except OSError:
        raise Refused(NOTHING) from None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of a plain file: no link, no device, no pipe that would never answer."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Refused(NOTHING)
        yield file
    finally:
        os.close(file)


def _keep(context: Context, made: dict[str, Path]) -> None:
    """Store the files, and say in rows that they are what is served of this version."""
    with ExitStack() as stack:
        blobs = {
            path: stack.enter_context(blob_of_file(local, SYSTEM.name))
            for path, local in made.items()
        }
        with transaction.atomic():
            context.confirm()
            context.version.converted.all().delete()
            for path, blob in blobs.items():
                ConvertedFile.objects.create(version=context.version, path=path, blob=blob)

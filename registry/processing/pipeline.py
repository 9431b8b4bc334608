"""Take a version from its uploads to `ready` or `rejected`, step by step.

Each finished step is saved under the lease, so that a worker that takes over goes on at the step
that was not finished, and one that lost its lease changes nothing.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from aihub import events, request_context, tracing
from aihub.plain import plain
from aihub.problems import Problem
from registry.files import main_of
from registry.models import ModelVersion
from registry.models.revision import revision_bump
from registry.models.versions import State
from registry.processing import builtin, counting, jobs, steps
from registry.processing.jobs import Lease, LeaseLost
from registry.refusals import N_, Refused
from registry.scanning import Finding
from registry.services.aliases import alias_set
from registry.services.directories import directory_ensure
from registry.services.integrity import blob_local
from registry.services.sealing import version_seal
from registry.services.search_rows import labels_index
from registry.services.variants import optimisation_begin
from registry.storage import StorageUnavailable

KIND = "process-version"
PROGRESS_EVERY = 0.5  # seconds between two saved marks of progress
SAVED = (
    "format",
    "num_classes",
    "labels",
    "preprocessing",
    "signature",
    "parameter_count",
    "size",
    "report",
    "served_format",
    "steps",
)
_LAYERS = {"identify": "format"}  # of steps whose layer has another name

logger = logging.getLogger(__name__)


def register() -> None:
    """Add the registry's own steps."""
    steps.add_step("checksum", builtin.checksum)
    steps.add_step("identify", builtin.identify)
    steps.add_step("scan", builtin.scan)


def process(lease: Lease) -> None:
    """Work on a claimed version until it is ready or rejected, or the lease is lost."""
    version = ModelVersion.objects.select_related("model__team").filter(pk=lease.subject_id).first()
    if version is None or version.state in (State.READY, State.REJECTED):
        lease.succeed()
        return
    try:
        with request_context.about(model_name=version.model.name, model_version=version.version):
            _run(version, lease)
    except LeaseLost:
        logger.warning("lease of %s lost", version)
    except StorageUnavailable as error:
        logger.warning("processing %s waits: %s", version, error)
        lease.give_back(str(error))
    except DatabaseError:
        logger.exception("processing %s stops; its lease will end", version)


def _run(version: ModelVersion, lease: Lease) -> None:
    if lease.attempt > jobs.MAX_ATTEMPTS:
        _reject(version, lease, _killed_too_often(version))
        return
    try:
        _run_steps(version, lease)
    except Refused as refused:
        _reject(version, lease, refused)
    except (LeaseLost, StorageUnavailable, DatabaseError):
        raise
    except Exception as error:
        logger.exception("processing %s failed", version)
        _reject(version, lease, _crashed(version, error))
    else:
        _accept(version, lease)


def _run_steps(version: ModelVersion, lease: Lease) -> None:
    context = steps.Context(version, confirm=lease.confirm)
    if [entry["name"] for entry in version.steps] != [step.name for step in steps.all_steps()]:
        version.steps = steps.pending()  # the hub was upgraded meanwhile
    for step, entry in zip(steps.all_steps(), version.steps, strict=True):
        if entry["state"] != "done":
            _run_step(step, entry, context, lease)


def _run_step(
    step: steps.Step, entry: dict[str, Any], context: steps.Context, lease: Lease
) -> None:
    started = time.monotonic()
    context.on_progress = _progress_saver(entry, context.version, lease)
    context.paths = _local_files(context.version)
    entry.update(state="running", progress=0.0)
    _save(context.version, lease)
    try:
        with tracing.span(f"step {step.name}"):
            step.run(context)
    except Exception:
        entry.update(state="failed", duration_ms=_since(started))
        raise
    entry.update(state="done", progress=1.0, duration_ms=_since(started))
    _save(context.version, lease)


def _local_files(version: ModelVersion) -> dict[str, Any]:
    """Local paths of the files that are blobs by now."""
    files = version.files.select_related("blob").exclude(blob=None)
    return {file.path: blob_local(file.blob.ref) for file in files if file.blob}


def _progress_saver(
    entry: dict[str, Any], version: ModelVersion, lease: Lease
) -> Callable[[float], None]:
    last = time.monotonic()

    def save(fraction: float) -> None:
        nonlocal last
        entry["progress"] = round(fraction, 3)
        if time.monotonic() - last >= PROGRESS_EVERY:
            last = time.monotonic()
            _save(version, lease)

    return save


def _save(version: ModelVersion, lease: Lease, **changes: Any) -> None:
    """Write what the steps found, if the lease is still ours."""
    with transaction.atomic():
        lease.confirm()
        values = {name: plain(getattr(version, name)) for name in SAVED}
        found = ModelVersion.objects.filter(pk=version.pk, state=State.PROCESSING)
        if not found.update(**values, **changes, updated_at=timezone.now()):
            raise LeaseLost


def _accept(version: ModelVersion, lease: Lease) -> None:
    directory_ensure(version)
    with transaction.atomic():
        _save(version, lease, state=State.READY, ready_at=timezone.now())
        version_seal(version.pk)
        labels_index(version)
        lease.succeed()
        optimisation_begin(version)
        revision_bump()
        _emit("version.ready", version)
        _give_alias(version)


def _give_alias(version: ModelVersion) -> None:
    """Move the alias that was asked for at publication; what speaks against it is written down."""
    if not version.alias_when_ready:
        return
    try:
        alias_set(
            principal=events.SYSTEM,
            model=version.model,
            name=version.alias_when_ready,
            version=version,
        )
    except Problem as problem:
        logger.warning("%s does not become %s: %s", version, version.alias_when_ready, problem)
        reason = plain(str(problem))
        _emit("alias.not_moved", version, alias=version.alias_when_ready, reason=reason)


def _reject(version: ModelVersion, lease: Lease, refused: Refused) -> None:
    version.report = [*version.report, _refusal(version, refused)]
    with transaction.atomic():
        _save(
            version,
            lease,
            state=State.REJECTED,
            reason_message=refused.message,
            reason_values=plain(refused.values),
        )
        lease.fail(plain(str(refused)), counting.REJECTED)
        revision_bump()
        _emit("version.rejected", version, reason=plain(str(refused)))


def _refusal(version: ModelVersion, refused: Refused) -> dict[str, Any]:
    """The finding that refused a version: of a layer of the scan, else of the step under way."""
    sizes = dict(version.files.values_list("path", "size"))
    named = refused.values.get("file")
    file = named if named in sizes else main_of(sizes) or ""
    layer = refused.layer or _LAYERS.get(_current_step(version), _current_step(version))
    finding = Finding(layer, "error", refused.message, refused.values)
    return {"file": file, **finding.as_dict()}


def _emit(name: str, version: ModelVersion, **data: Any) -> None:
    events.emit(
        events.Event(name, str(version), events.SYSTEM, team_id=version.model.team_id, data=data)
    )


def _killed_too_often(version: ModelVersion) -> Refused:
    return Refused(
        N_(
            "The worker was killed %(count)s times while it processed this version (step "
            "“%(step)s”). Most likely the model needs more memory than the worker has."
        ),
        count=jobs.MAX_ATTEMPTS,
        step=_current_step(version),
    )


def _crashed(version: ModelVersion, error: Exception) -> Refused:
    return Refused(
        N_("Processing failed in step “%(step)s”: %(error)s"),
        step=_current_step(version),
        error=f"{type(error).__name__}: {error}"[:500],
    )


def _current_step(version: ModelVersion) -> str:
    unfinished = (entry["name"] for entry in version.steps if entry["state"] != "done")
    return next(unfinished, "-")


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

"""The job that compiles a version's variants on one kind of processor, row by row.

Each finished candidate is saved under the lease. A worker that takes over goes on with the
candidates that have no row yet, and so does one that gave way to more urgent work. Whatever fails
here, the version stays ready and serves its reference.
"""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from aihub import request_context
from aihub.events import SYSTEM
from aihub.plain import plain
from inference.loading import form_of, local_files
from inference.optimising import CandidateResult, CompileTask, compile_variants
from inference.optimising.candidates import Candidate, candidates, reference_of
from inference.optimising.policy import choose
from inference.optimising.task import OWNER
from inference.own_folder import own_folder
from inference.processor import cpu_fingerprint
from inference.runtimes import REFERENCE
from inference.spec import ModelSpec
from inference.specs import check_seal, spec_of
from registry.manifests import Unsealed
from registry.models import Blob, Job, ModelVersion, Variant
from registry.models.revision import revision_bump
from registry.models.versions import Optimisation, State
from registry.processing import jobs, worker
from registry.processing.jobs import Lease, LeaseLost
from registry.processing.optimiser import Optimiser, use
from registry.refusals import N_
from registry.services.blobs import blob_of_file
from registry.services.integrity import blob_local
from registry.services.variants import KIND, PRIORITY, optimisation_request
from registry.storage import StorageDamaged, StorageUnavailable

__all__ = ["optimisation_request", "optimise", "register"]

AT_ONCE = timedelta(0)
UNTIL_MENDED = timedelta(minutes=10)

logger = logging.getLogger(__name__)


def register() -> None:
    """Tell the registry what is chosen here, and have this process's workers compile.

    Called when Django is ready.
    """
    use(Optimiser(_cpu, choose, lambda form: REFERENCE.get(form, form)))
    if cpu := _cpu():
        worker.add_handler(KIND + cpu, optimise)


def optimise(lease: Lease) -> None:
    """Work on a claimed job until every candidate has a row, or more urgent work waits."""
    versions = ModelVersion.objects.select_related("model")
    version = versions.filter(pk=lease.subject_id, state=State.READY).first()
    if version is None:
        lease.succeed()
        return
    try:
        check_seal(version)
        with (
            request_context.about(model_name=version.model.name, model_version=version.version),
            own_folder(settings.HOME / "cache" / "optimising") as folder,
        ):
            _Work(version, lease, folder).run()
    except LeaseLost:
        logger.warning("the lease to optimise %s is lost", version)
    except (StorageDamaged, Unsealed) as error:
        logger.warning("optimising %s waits until it is mended: %s", version, error)
        lease.give_back(str(error), pause=UNTIL_MENDED)
    except StorageUnavailable as error:
        logger.warning("optimising %s waits: %s", version, error)
        lease.give_back(str(error))
    except DatabaseError:
        logger.exception("optimising %s stops; its lease will end", version)
    except Exception as error:
        logger.exception("optimising %s failed", version)
        _give_up(version, lease, error)


def _is_needed_elsewhere() -> bool:
    """Whether more urgent work waits: the candidate under way is then begun again later."""
    return jobs.has_claimable(worker.HANDLERS[worker.PROCESSING], above=PRIORITY)


@dataclass
class _Work:
    """One attempt at one version's variants. What was measured before `since` is old."""

    version: ModelVersion
    lease: Lease
    folder: Path
    blobs: dict[Path, Blob] = field(default_factory=dict)

    def run(self) -> None:
        """Compile what has no row; give way, or end."""
        with transaction.atomic():
            self.lease.confirm()
            _set_state(self.version, Optimisation.RUNNING)
        if self.lease.attempt > jobs.MAX_ATTEMPTS and not self._pass_over_the_killer():
            self._end()
            return
        with closing(compile_variants(self._task(), interrupted=_is_needed_elsewhere)) as results:
            for result in results:
                self._keep(result)
        if _is_needed_elsewhere() and self._under_way() is not None:
            self._give_way()
        else:
            self._end()

    @cached_property
    def since(self) -> datetime:
        job = Job.objects.filter(pk=self.lease.pk).first()
        if job is None:
            raise LeaseLost
        return job.created_at

    @cached_property
    def spec(self) -> ModelSpec:
        return spec_of(self.version)

    @property
    def rows(self) -> QuerySet[Variant]:
        """The version's table for this kind of processor."""
        return self.version.variants.filter(cpu=self.lease.kind.removeprefix(KIND))

    @property
    def done(self) -> frozenset[str]:
        """The names of those that have a row."""
        rows = self.rows.filter(created_at__gte=self.since)
        return frozenset(rows.values_list("name", flat=True))

    def _task(self) -> CompileTask:
        form = form_of()
        samples = self.version.model.samples.select_related("blob")
        return CompileTask(
            spec=self.spec,
            files=local_files(self.spec.files),
            folder=self.folder,
            samples={sample.name: blob_local(sample.blob.ref) for sample in samples},
            threads=form.threads,
            device=form.device,
            architectures=settings.ENV.AIHUB_ARCHITECTURES,
            sparsity=self.version.sparsity,
            done=self.done,
        )

    def _keep(self, result: CandidateResult) -> None:
        """Save a candidate's row; LeaseLost where that is no longer ours to do."""
        with self._blob(result.file) as blob, transaction.atomic():
            values = {**_values(result), "blob": blob}
            self.lease.confirm()
            row, _ = Variant.objects.update_or_create(
                version=self.version,
                cpu=self.lease.kind.removeprefix(KIND),
                name=result.name,
                defaults=values,
            )
            # The clock that set `since` may be ahead of this machine's.
            row.created_at = max(timezone.now(), self.since)
            row.save(update_fields=["created_at"])

    @contextmanager
    def _blob(self, file: Path | None) -> Iterator[Blob | None]:
        """The blob of a derived file, which several candidates may share: then a row has it."""
        if file is None or file in self.blobs:
            yield self.blobs[file] if file else None
            return
        with blob_of_file(file, SYSTEM.name) as blob:
            yield blob
            self.blobs[file] = blob

    def _pass_over_the_killer(self) -> bool:
        """Write down that the candidate under way killed its workers; False if none is left."""
        candidate = self._under_way()
        if candidate is None:
            return False
        message = N_("The worker was killed %(count)s times while it compiled this variant.")
        self._keep(candidate.failed(message, count=jobs.MAX_ATTEMPTS))
        self.lease.forget_attempts()
        return not candidate.reference  # without it there is nothing to compare with

    def _under_way(self) -> Candidate | None:
        """The first candidate without a row, in the order in which they are compiled."""
        reference = reference_of(self.spec)
        row = self.rows.filter(name=reference.name, created_at__gte=self.since).first()
        if row is None:
            return reference
        items = self.version.model.samples.aggregate(items=Sum("items"))["items"] or 0
        originals = items if row.inputs_from == OWNER else 0
        plan = candidates(self.spec, row.inputs_from, originals, self.version.sparsity)
        done = self.done
        return next((candidate for candidate in plan if candidate.name not in done), None)

    def _give_way(self) -> None:
        logger.info("optimising %s gives way to more urgent work", self.version)
        with transaction.atomic():
            self.lease.confirm()
            revision_bump()
            self.lease.give_back(pause=AT_ONCE)

    def _end(self) -> None:
        with transaction.atomic():
            self.lease.confirm()
            self.rows.filter(created_at__lt=self.since).delete()
            _set_state(self.version, Optimisation.DONE)
            revision_bump()
            self.lease.succeed()


def _values(result: CandidateResult) -> dict[str, object]:
    """The columns of a candidate's row, but for its blob."""
    reason = result.reason or {"message": "", "values": {}}
    return {
        "runtime": result.runtime,
        "precision": result.precision,
        "options": dict(result.options),
        "reference": result.reference,
        "state": result.state,
        "reason_message": plain(reason["message"]),
        "reason_values": plain(reason["values"]),
        "size": result.size,
        "memory": result.memory,
        "inputs": result.inputs,
        "inputs_from": result.inputs_from,
        "decided": result.decided,
        "agreement": result.agreement,
        "max_difference": result.max_difference,
        "rate_1": result.rate_1,
        "rate_8": result.rate_8,
    }


def _give_up(version: ModelVersion, lease: Lease, error: Exception) -> None:
    """End a job that cannot go on; what it has measured stays."""
    with transaction.atomic():
        if lease.fail(plain(f"{type(error).__name__}: {error}")):
            _set_state(version, Optimisation.DONE)
            revision_bump()


def _set_state(version: ModelVersion, state: Optimisation) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(optimisation=state)


def _cpu() -> str:
    """This machine's kind of processor; empty where nothing is to be compiled on it."""
    return cpu_fingerprint() if settings.ENV.AIHUB_OPTIMISE else ""

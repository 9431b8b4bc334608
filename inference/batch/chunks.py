"""One chunk, from its lease to its part and its count."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from aihub import request_context, tracing
from aihub.db import retry_deadlocks
from aihub.problems import N_, Problem
from inference.batch import counting, ends, inputs, keys, outputs
from inference.batch.attempts import attempt
from inference.batch.claims import ChunkLease, chunk_claim
from inference.batch.loaded import runner_of
from inference.batch.outputs import DamagedPart, Part, PartWriter
from inference.batch.plan import Plan, wanted_of
from inference.batch.rows import Fault, Place, Rows
from inference.batch.running import Runner, Write, run
from inference.batch.store import StoreFiles
from inference.batch.telling import Reasons, chunk_tell, rows_tell
from inference.models import BatchChunk, BatchJob
from inference.models.batch import UNFINISHED
from inference.own_folder import own_folder
from inference.runtimes.base import Arrays
from registry.file_cache import kept
from registry.processing.leases import LeaseLost
from registry.processing.worker import Keeper, kept_alive, worker_name

MAX_ATTEMPTS = 10
COPIED = 1024 * 1024  # bytes at once
ERRORS_KEPT = 100  # of a job, to be shown without its output
KILLER = N_("The worker was killed %(count)s times while it computed this row and those around it.")

logger = logging.getLogger(__name__)


def chunk_run() -> bool:
    """Compute the next chunk; False where there is none."""
    lease = chunk_claim(worker_name())
    if lease is None:
        return False
    with (
        request_context.use(lease.request_id),
        request_context.about(batch_job=lease.job_id),
        kept_alive(lease) as keeper,
        kept(),
    ):
        _compute(lease, keeper)
    return True


def _compute(lease: ChunkLease, keeper: Keeper) -> None:
    with attempt(
        f"chunk {lease.pk} of batch job {lease.job_id}",
        lambda error: lease.give_back(),
        partial(_fail, lease),
        N_("A part of the input cannot be computed: %(error)s."),
    ):
        chunk = BatchChunk.objects.select_related("job").filter(pk=lease.pk).first()
        if chunk is None:
            raise LeaseLost
        with (
            ends.job_about(chunk.job, batch_chunk=chunk.number),
            own_folder(settings.HOME / "cache" / "batch") as folder,
            _traced(chunk),
        ):
            _Work(chunk, lease, folder, keeper).run()


def _traced(chunk: BatchChunk) -> AbstractContextManager[None]:
    return tracing.span(
        "batch chunk",
        chunk.job.traceparent,
        batch_job=chunk.job_id,
        chunk=chunk.number,
        rows=chunk.rows,
        model=chunk.job.model_name,
        version=chunk.job.version_name,
    )


@retry_deadlocks
def _fail(lease: ChunkLease, message: str, values: Any) -> None:
    with transaction.atomic():
        job = ends.job_lock(lease.job_id)
        lease.confirm()
        ends.job_fail(job, message, values)


@dataclass
class _Work:
    """One attempt at one chunk."""

    chunk: BatchChunk
    lease: ChunkLease
    folder: Path
    keeper: Keeper
    reasons: Reasons = field(default_factory=lambda: Reasons(ERRORS_KEPT))

    def run(self) -> None:
        started = time.monotonic()
        part = self._computed()
        if part.rows != self.chunk.rows:
            raise inputs.Unreadable(N_("The input is not what it was when it was first read."))
        errors = outputs.sample_errors(self.made, self.plan.shape, ERRORS_KEPT)
        self.files.put(self.made, keys.part(self.chunk.job_id, self.chunk.number))
        seconds = time.monotonic() - started
        told = self._commit(part, errors, seconds)
        counting.chunk_done(*self._new_rows(part), seconds)
        chunk_tell(self.chunk, part, seconds)
        rows_tell(told, self.reasons)

    @cached_property
    def plan(self) -> Plan:
        return Plan.from_json(self.chunk.job.plan)

    @cached_property
    def files(self) -> StoreFiles:
        return StoreFiles(self.folder)

    @cached_property
    def runner(self) -> Runner:
        version_id = self.chunk.job.version_id
        if version_id is None:
            raise Problem(404, N_("The version was deleted."))
        return runner_of(version_id, self.plan.variant)

    @property
    def made(self) -> Path:
        """The part, once it is whole."""
        return self.folder / "part"

    def _slices(self) -> Iterator[Rows]:
        chunk, plan = self.chunk, self.plan
        place = Place(chunk.kind, chunk.first, chunk.rows, chunk.where)
        wanted = wanted_of(self.runner.source)
        return inputs.rows_of(self.files, place, plan.described, wanted, plan.batch)

    def _part(self, slices: Iterator[Rows], path: Path) -> Part:
        with PartWriter(path, self.plan.shape) as writer:
            if self.lease.attempt > MAX_ATTEMPTS:
                _give_up(slices, writer)
            else:
                run(slices, self.runner, self._writing(writer), lambda: self.keeper.lost)
            return writer.close()

    def _writing(self, writer: PartWriter) -> Write:
        def write(rows: Rows, arrays: Arrays | None, faults: dict[int, Fault]) -> None:
            self.reasons.note(rows, faults)
            writer.write(rows, arrays, faults)

        return write

    def _computed(self) -> Part:
        """All rows, or those that failed, where the part of all is there to be mended."""
        old, new, shape = self.folder / "old", self.folder / "new", self.plan.shape
        if not (self.chunk.redo and self._fetched(old)):
            return self._part(self._slices(), self.made)
        at = outputs.failed_rows(old, shape)
        self._part(_only(self._slices(), at), new)
        return outputs.replace_rows(old, shape, new, at, self.made)

    def _fetched(self, path: Path) -> bool:
        """Copy the part that was there; False where it is damaged or gone."""
        key = keys.part(self.chunk.job_id, self.chunk.number)
        try:
            with self.files.open(key) as source, path.open("wb") as copy:
                checked = outputs.Checked(Part(**self.chunk.part), source)
                shutil.copyfileobj(checked, copy, COPIED)
        except (DamagedPart, FileNotFoundError):
            logger.error("part %s is damaged; all of it is computed again", key)
            return False
        return True

    def _new_rows(self, part: Part) -> tuple[int, int]:
        """How many rows finished well and how many failed, of those that were not done before."""
        before = self.chunk.failed if self.chunk.redo else part.rows
        return before - part.failed, part.failed

    @retry_deadlocks
    def _commit(
        self, part: Part, errors: list[tuple[Any, str]], seconds: float
    ) -> list[tuple[Any, str]]:
        """Count the chunk, once: under its lease, in one transaction with its becoming done.

        Answers those of the rows that failed that are kept with the job.
        """
        with transaction.atomic():
            job = ends.job_lock(self.chunk.job_id)
            self.lease.confirm()
            if job.state not in UNFINISHED:
                raise LeaseLost
            self.lease.rows().update(
                state=BatchChunk.States.DONE,
                lease_owner="",
                lease_expires_at=None,
                redo=False,
                attempts=0,
                failed=part.failed,
                part=asdict(part),
                seconds=F("seconds") + seconds,
            )
            done, failed = self._new_rows(part)
            job.done += done
            job.failed += failed - (self.chunk.failed if self.chunk.redo else 0)
            job.chunks_done += 1
            job.seconds += seconds
            job.progress_at = timezone.now()
            job.stalled_at = None
            kept_errors = errors[: max(0, ERRORS_KEPT - len(job.errors))]
            job.errors = [*job.errors, *map(list, kept_errors)]
            job.save(
                update_fields=[
                    *("done", "failed", "chunks_done", "seconds", "progress_at", "stalled_at"),
                    "errors",
                ]
            )
            self._judge(job)
            ends.job_settle(job)
        return kept_errors

    def _judge(self, job: BatchJob) -> None:
        """End the job where more rows failed than may."""
        limit = job.options.get("fail_over", 1.0)
        if job.total and job.failed > limit * job.total:
            ends.job_fail(
                job,
                N_("%(failed)s of %(total)s rows failed; at most %(share)s %% may."),
                {"failed": job.failed, "total": job.total, "share": round(100 * limit, 2)},
            )


def _give_up(slices: Iterator[Rows], writer: PartWriter) -> None:
    """Every row of a chunk that kills its workers fails, so that the job can go on."""
    killer = Fault(KILLER, {"count": MAX_ATTEMPTS})
    for rows in slices:
        writer.write(rows, None, dict.fromkeys(range(len(rows.keys)), killer))


def _only(slices: Iterator[Rows], at: list[int]) -> Iterator[Rows]:
    """The rows at these places of a chunk, in slices as they were."""
    first, wanted = 0, set(at)
    for rows in slices:
        count = len(rows.keys)
        here = [index for index in range(count) if first + index in wanted]
        first += count
        if here:
            yield rows.only(here)

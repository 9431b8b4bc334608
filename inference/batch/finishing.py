"""The last work of a job: its parts become the output, and the output becomes known."""

import hashlib
import json
import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aihub.db import retry_deadlocks
from aihub.events import SYSTEM
from aihub.problems import N_
from inference.batch import ends, keys, outputs
from inference.batch.attempts import attempt
from inference.batch.outputs import DamagedPart, Joined, Part
from inference.batch.plan import Plan
from inference.batch.store import StoreFiles
from inference.models import BatchChunk, BatchJob
from inference.models.batch import UNFINISHED, JobState
from inference.own_folder import own_folder
from registry.processing.jobs import Lease, LeaseLost

logger = logging.getLogger(__name__)


def finish(lease: Lease) -> None:
    """Make a job's output; parts that are damaged or gone are computed again."""
    job = BatchJob.objects.filter(pk=lease.subject_id, state__in=UNFINISHED, planned=True).first()
    if job is None or job.chunks_done < job.chunks:
        lease.succeed()
        return
    with (
        ends.job_about(job),
        attempt(
            f"the output of batch job {job}",
            lambda error: lease.give_back(str(error)),
            partial(ends.work_refuse, job.pk, lease),
            N_("The output cannot be written: %(error)s."),
        ),
        own_folder(settings.HOME / "cache" / "batch") as folder,
    ):
        _Finishing(job, lease, folder).run()


@dataclass
class _Finishing:
    job: BatchJob
    lease: Lease
    folder: Path
    number: int = 0  # of the part that is read

    def run(self) -> None:
        self.files = StoreFiles(self.folder)
        self.key = keys.output(self.job.pk, self.job.output_format)
        try:
            joined = self._join()
        except (DamagedPart, FileNotFoundError):
            self._compute_again(self.number)
            return
        output = self._described(joined)
        output["manifest"] = self._write_manifest(output)
        self._end(output)

    @retry_deadlocks
    def _end(self, output: dict[str, Any]) -> None:
        with transaction.atomic():
            job = self._locked()
            job.output = output
            job.save(update_fields=["output"])
            self.lease.succeed()
            ends.job_end(job, JobState.SUCCEEDED, SYSTEM)

    def _locked(self) -> BatchJob:
        """The job, locked; LeaseLost where it was ended or retried meanwhile."""
        job = ends.job_lock(self.job.pk)
        self.lease.confirm()
        if job.state not in UNFINISHED or job.chunks_done < job.chunks:
            raise LeaseLost
        return job

    def _join(self) -> Joined:
        shape = Plan.from_json(self.job.plan).shape
        whole = self.folder / "output"
        with whole.open("wb") as out, closing(self._parts()) as parts:
            joined = outputs.assemble(shape, parts, out)
        self.lease.confirm()
        self.files.put(whole, self.key)
        return joined

    def _parts(self) -> Generator[tuple[Part, IO[bytes]], None, None]:
        chunks = self.job.chunk_rows.order_by("number").values_list("number", "part")
        for number, part in chunks.iterator():
            self.number = number
            with self.files.open(keys.part(self.job.pk, number)) as file:
                yield Part(**part), file

    @retry_deadlocks
    def _compute_again(self, number: int) -> None:
        logger.error("part %s of batch job %s is damaged; it is computed again", number, self.job)
        with transaction.atomic():
            job = self._locked()
            chunk = BatchChunk.objects.get(job=job, number=number)
            job.done -= chunk.rows - chunk.failed
            job.failed -= chunk.failed
            job.chunks_done -= 1
            job.save(update_fields=["done", "failed", "chunks_done"])
            chunk.state, chunk.failed, chunk.redo = BatchChunk.States.WAITING, 0, False
            chunk.save(update_fields=["state", "failed", "redo"])
            self.lease.succeed()

    def _described(self, joined: Joined) -> dict[str, Any]:
        return {
            "key": self.key,
            "format": self.job.output_format,
            "rows": joined.rows,
            "failed": joined.failed,
            "size": joined.size,
            "sha256": joined.sha256,
            "md5": joined.md5,
        }

    def _write_manifest(self, output: dict[str, Any]) -> dict[str, Any]:
        """A file beside the output that says what it is and what it was made of; its size, sum."""
        job = self.job
        manifest = {
            "job": job.pk,
            "model": job.model_name,
            "version": job.version_name,
            "variant": (job.plan["variant"] or {"name": "reference"})["name"],
            "input": job.input_name,
            "rows": {
                "total": output["rows"],
                "done": output["rows"] - output["failed"],
                "failed": output["failed"],
            },
            "output": output,
            "started_at": job.started_at and job.started_at.isoformat(),
            "finished_at": timezone.now().isoformat(),
        }
        text = json.dumps(manifest, indent=2).encode()
        with self.files.write(keys.manifest(self.key)) as file:
            file.write(text)
        return {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}

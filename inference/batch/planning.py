"""The first work of a job: what its input is, a sample of it, and its chunks as they are found."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aihub.db import retry_deadlocks
from aihub.problems import N_, Problem
from inference.batch import ends, inputs, keys
from inference.batch.attempts import attempt
from inference.batch.chunks import chunk_run
from inference.batch.inputs import Described
from inference.batch.loaded import runner_of
from inference.batch.pace import Pace, pace_found, pace_known
from inference.batch.plan import Plan, shape_of, wanted_of
from inference.batch.rows import Place, Wanted
from inference.batch.running import Runner
from inference.batch.sampling import Sampled, sampled, speed
from inference.batch.store import StoreFiles
from inference.models import BatchChunk, BatchJob
from inference.models.batch import UNFINISHED, JobState
from inference.own_folder import own_folder
from inference.routes import route_load
from inference.spec import VariantSpec
from registry.processing.jobs import Lease, LeaseLost
from registry.processing.worker import BATCH
from registry.storage import blob_storage
from registry.tasks import hint

AT_ONCE = 200  # chunks written down in one transaction,
AT_LEAST_EVERY = 0.5  # seconds, as workers wait for them
TURN_AFTER = 10.0  # seconds of reading, between two chunks that are computed meanwhile
MAX_ATTEMPTS = 20  # more than a chunk has, which may be what kills
MOST_CHUNKS = 100_000  # of a job: a row of the database and an object of the store each
ALL_LIKE_THE_SAMPLE = 20  # rows of a sample that say something about all


def plan(lease: Lease) -> None:
    """Plan a job, or go on planning it; whatever is wrong with the input ends it with a reason."""
    jobs = BatchJob.objects.select_related("model", "version", "upload", "team")
    job = jobs.filter(pk=lease.subject_id, state__in=UNFINISHED, planned=False).first()
    if job is None:
        lease.succeed()
        return
    with (
        ends.job_about(job),
        attempt(
            f"the plan of batch job {job}",
            lambda error: lease.give_back(str(error)),
            partial(ends.work_refuse, job.pk, lease),
            N_("The input cannot be read: %(error)s."),
        ),
    ):
        if lease.attempt > MAX_ATTEMPTS:
            raise inputs.Unreadable(
                N_("The worker was killed %(count)s times while it read the input."),
                count=MAX_ATTEMPTS,
            )
        with own_folder(settings.HOME / "cache" / "batch") as folder:
            _Planning(job, lease, StoreFiles(folder)).run()


@dataclass
class _Planning:
    """One attempt at one job's plan."""

    job: BatchJob
    lease: Lease
    files: StoreFiles

    def run(self) -> None:
        self._change(self._begin)
        if not self.job.plan:
            plan, sample = self._settle()
            self._change(lambda job: self._save(job, plan, sample))
            self._judge(sample)
        self._write_chunks()

    @retry_deadlocks
    def _change(self, change: Callable[[BatchJob], None]) -> None:
        """Change the job's row under the lease; LeaseLost where nobody wants its plan any more."""
        with transaction.atomic():
            job = ends.job_lock(self.job.pk)
            self.lease.confirm()
            if job.state not in UNFINISHED:
                raise LeaseLost
            change(job)

    def _begin(self, job: BatchJob) -> None:
        now = timezone.now()
        job.started_at = job.started_at or now
        job.progress_at = now
        if job.state == JobState.QUEUED:
            job.state, job.paced_at = JobState.RUNNING, now
        job.save(update_fields=["state", "started_at", "progress_at", "paced_at"])

    # --- what is fixed ---

    @cached_property
    def variant(self) -> VariantSpec | None:
        if self.job.plan:
            return Plan.from_json(self.job.plan).variant
        assert self.job.model is not None
        route = route_load(self.job.model)
        found = next((v for v in route.versions.values() if v.id == self.job.version_id), None)
        return found.variant if found else None

    @cached_property
    def runner(self) -> Runner:
        if self.job.version_id is None:
            raise Problem(404, N_("The version was deleted."))
        return runner_of(self.job.version_id, self.variant)

    @cached_property
    def wanted(self) -> Wanted:
        return wanted_of(self.runner.source)

    @cached_property
    def described(self) -> Described:
        return inputs.describe(self.files, self._said(), self.wanted)

    def _said(self) -> Described:
        """What its owner says of the input, with the files that it is."""
        options = self.job.options
        upload = self.job.upload
        if upload is not None:
            found: tuple[str, ...] = (upload.key,)
            names = {upload.key: upload.filename}
        else:
            found, names = tuple(self._objects()), {}
        return Described(
            files=found,
            names=names,
            form=options.get("form", ""),
            columns=_columns(options.get("columns", {})),
            key=options.get("key", ""),
            delimiter=options.get("delimiter", ""),
            encoding=options.get("encoding", "utf-8"),
            header=options.get("header", True),
            image_root=tuple(options["roots"]),
        )

    def _objects(self) -> Sequence[str]:
        """The keys under the prefix: as they were when this was asked first."""
        if not self.job.prefix:
            raise inputs.Unreadable(N_("The input was removed."))
        key = keys.listing(self.job.pk)
        try:
            with self.files.open(key) as file:
                listed: list[str] = orjson.loads(file.read())
                return listed
        except FileNotFoundError:
            pass
        found = sorted(stored.key for stored in blob_storage().listing(self.job.prefix))
        if not found:
            raise inputs.Unreadable(
                N_("There is nothing under “%(prefix)s”."), prefix=self.job.prefix
            )
        with self.files.write(key) as out:
            out.write(orjson.dumps(found))
        return found

    def _settle(self) -> tuple[Plan, Sampled]:
        spill = f"{keys.root(self.job.pk)}sample"
        sample = sampled(self.files, self.described, self.wanted, self.runner, spill)
        pace = self._pace(sample)
        shape = shape_of(
            self.runner.source,
            output_format=self.job.output_format,
            top=self.job.options.get("top", 5),
            numbered=sample.numbered,
        )
        return Plan(self.variant, self.described, shape, pace.batch, pace.chunk_rows), sample

    def _pace(self, sample: Sampled) -> Pace:
        """As its owner says; what is not said is as earlier jobs, or else a trial, found it."""
        rows, batch = (self.job.options.get(name) for name in ("chunk_rows", "batch_size"))
        if not (rows and batch):
            found = pace_known(self.job, self.variant) or pace_found(
                *speed(sample, self.wanted, self.runner)
            )
            rows, batch = rows or found.chunk_rows, batch or found.batch
        batch = min(batch, rows)
        return Pace(batch, rows // batch * batch)

    def _save(self, job: BatchJob, plan: Plan, sample: Sampled) -> None:
        columns = inputs.columns_of(self.files, self.described, self.wanted)
        job.plan, job.report = plan.as_json(), sample.report(columns)
        job.input_form = self.described.form
        job.save(update_fields=["plan", "report", "input_form"])
        self.job.plan = job.plan

    def _judge(self, sample: Sampled) -> None:
        """Unreadable where more of the sample fails than may fail of all."""
        share = sample.failed / sample.rows
        limit = self.job.options.get("fail_over", 1.0)
        if share > limit and sample.rows >= ALL_LIKE_THE_SAMPLE:
            raise inputs.Unreadable(
                N_("%(failed)s of the first %(rows)s rows fail; at most %(share)s %% may."),
                failed=sample.failed,
                rows=sample.rows,
                share=round(100 * limit, 2),
            )

    # --- chunks ---

    def _write_chunks(self) -> None:
        """Write chunks down as they are found; where that takes long, compute one now and then, as
        there may be no other worker."""
        plan = Plan.from_json(self.job.plan)
        described = replace(plan.described, files=self.described.files)
        spill = keys.spill(self.job.pk)
        places = inputs.places(self.files, described, self.wanted, plan.chunk_rows, spill)
        rows = chunks = 0
        since = time.monotonic()
        for first, some in _together(places):
            self._check_count(first + len(some))
            self._change(partial(self._add, first=first, places=some))
            rows += sum(place.rows for place in some)
            chunks += len(some)
            hint(BATCH)
            if time.monotonic() - since > TURN_AFTER:
                chunk_run()
                since = time.monotonic()
        self._change(lambda job: self._end(job, rows, chunks))

    def _check_count(self, chunks: int) -> None:
        if chunks > MOST_CHUNKS:
            raise inputs.Unreadable(
                N_(
                    "The input has more than %(most)s chunks of %(rows)s rows; "
                    "name more rows in “chunk_rows”."
                ),
                most=MOST_CHUNKS,
                rows=self.job.plan["chunk_rows"],
            )

    def _add(self, job: BatchJob, first: int, places: Sequence[Place]) -> None:
        now = timezone.now()
        BatchChunk.objects.bulk_create(
            [
                BatchChunk(
                    job=job,
                    number=first + number,
                    first=place.first,
                    rows=place.rows,
                    kind=place.kind,
                    where=dict(place.where),
                    not_before=now,
                )
                for number, place in enumerate(places)
            ],
            ignore_conflicts=True,
        )
        job.chunks = max(job.chunks, first + len(places))
        job.progress_at = now
        job.save(update_fields=["chunks", "progress_at"])

    def _end(self, job: BatchJob, rows: int, chunks: int) -> None:
        job.total, job.chunks, job.planned = rows, chunks, True
        job.save(update_fields=["total", "chunks", "planned"])
        self.lease.succeed()
        ends.job_settle(job)


def _together(places: Iterator[Place]) -> Iterator[tuple[int, list[Place]]]:
    """Places in groups, each with the number of its first: soon, and not one by one."""
    some: list[Place] = []
    first, since = 0, time.monotonic()
    for place in places:
        some.append(place)
        late = time.monotonic() - since > AT_LEAST_EVERY
        if first == 0 or len(some) >= AT_ONCE or late:
            yield first, some
            first, some, since = first + len(some), [], time.monotonic()
    if some:
        yield first, some


def _columns(said: dict[str, Any]) -> dict[str, str | tuple[str, ...]]:
    return {name: tuple(c) if isinstance(c, list) else c for name, c in said.items()}

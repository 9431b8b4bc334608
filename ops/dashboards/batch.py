"""Batch jobs and all other background work."""

from ops.dashboards.boards import Dashboard, Row, Variable
from ops.dashboards.panels import (
    BYTES,
    PER_SECOND,
    SECONDS,
    SHARE,
    SHORT,
    Query,
    Scale,
    Steps,
    heatmap,
    lines,
    number,
)
from ops.dashboards.queries import buckets, quantile, quantiles, rate

MINE = 'instance=~"$instance"'
BATCH_KINDS = 'kind=~"batch-.*"'

_VARIABLES = (Variable("instance", "Worker", 'up{job="aihub", role=~"worker|batch"}', "instance"),)

_NOW = Row(
    "Now",
    (
        *(
            number(
                title,
                "Batch jobs in this state.",
                Query(f'aihub:batch_jobs:max{{state="{state}"}}'),
            )
            for title, state in (("Running", "running"), ("Queued", "queued"), ("Paused", "paused"))
        ),
        number(
            "Failed within an hour",
            "3 are a ticket.",
            Query("aihub:batch_jobs_failed:increase1h"),
            steps=Steps(warning=1, bad=3),
        ),
        number(
            "Workers of batch jobs",
            "That gave a sign of life within 15 s.",
            Query('aihub:workers:max{queue="batch"}'),
            steps=Steps(bad=1, falling=True),
        ),
        number(
            "Chunks and jobs that wait",
            "For a worker of batch jobs.",
            Query('aihub:queue_waiting:max{queue="batch"}'),
        ),
        number(
            "Oldest waits for",
            "Of what waits for a worker of batch jobs.",
            Query('aihub:queue_oldest_seconds:max{queue="batch"}'),
            scale=SECONDS,
        ),
        number(
            "Rows that fail",
            "Over 30 minutes, of the rows of all jobs. A fifth is a ticket.",
            Query("aihub:batch_rows_failed:ratio30m"),
            scale=SHARE,
            steps=Steps(warning=0.05, bad=0.2),
        ),
    ),
)

_ROWS = Row(
    "Batch jobs",
    (
        lines(
            "Rows computed",
            "Failed ones have an error in the job's output; the job goes on.",
            Query(rate(f"aihub_batch_rows_total{{{MINE}}}", "outcome"), "{{outcome}}"),
            scale=PER_SECOND,
            stacked=True,
        ),
        lines(
            "Rows by worker",
            "How evenly the work is spread.",
            Query(rate(f"aihub_batch_rows_total{{{MINE}}}", "instance"), "{{instance}}"),
            scale=PER_SECOND,
            stacked=True,
        ),
        lines(
            "Jobs by state",
            "All that are kept.",
            Query("aihub:batch_jobs:max", "{{state}}"),
        ),
        lines(
            "Chunks computed",
            "Pieces of jobs, of all chosen workers.",
            Query(rate(f"aihub_batch_chunk_seconds_count{{{MINE}}}"), "chunks"),
            scale=PER_SECOND,
        ),
        lines(
            "How long a chunk takes",
            "A worker that is killed loses as much work.",
            *quantiles("aihub_batch_chunk_seconds", MINE),
            scale=SECONDS,
        ),
        heatmap(
            "How long chunks take, all of them",
            "How many chunks took how long.",
            buckets("aihub_batch_chunk_seconds", MINE),
            unit="s",
        ),
    ),
)

_QUEUES = Row(
    "Queues",
    (
        lines(
            "Work that waits",
            "Pieces in the table that wait for a worker.",
            Query("aihub:queue_waiting:max", "{{queue}}"),
        ),
        lines(
            "A queue grows by",
            "Pieces a minute, over 10 minutes; below 0 it shrinks.",
            Query("aihub:queue_growth_per_minute:deriv10m", "{{queue}}"),
            scale=Scale("short", low=None),
        ),
        lines(
            "Oldest piece waits for",
            "5 minutes and a queue that grows are a ticket.",
            Query("aihub:queue_oldest_seconds:max", "{{queue}}"),
            scale=SECONDS,
            steps=Steps(warning=300),
        ),
        lines(
            "Workers",
            "That gave a sign of life within 15 s.",
            Query("aihub:workers:max", "{{queue}}"),
            scale=Scale("short", decimals=0),
        ),
        lines(
            "Processes that work",
            "Of all chosen workers.",
            Query(f"sum by (queue) (aihub_worker_busy{{{MINE}}})", "{{queue}}"),
            scale=Scale("short", decimals=0),
        ),
        lines(
            "Messages in the broker",
            "Hints that there is work; the work itself stands in the table.",
            Query("max by (queue) (celery_queue_length)", "{{queue}}"),
        ),
    ),
)

_JOBS = Row(
    "Jobs",
    (
        lines(
            "Attempts by how they ended",
            "Of all kinds. Lost: the worker was gone before the end.",
            Query(rate(f"aihub_jobs_finished_total{{{MINE}}}", "outcome"), "{{outcome}}"),
            scale=PER_SECOND,
            stacked=True,
        ),
        lines(
            "Attempts by kind",
            "Versions are processed, their variants compiled, batch jobs planned and finished.",
            Query(rate(f"aihub_jobs_finished_total{{{MINE}}}", "kind"), "{{kind}}"),
            scale=PER_SECOND,
            stacked=True,
        ),
        lines(
            "How long an attempt takes",
            "What 95 % stay under.",
            Query(quantile(0.95, "aihub_job_seconds", MINE, "kind"), "{{kind}}"),
            scale=SECONDS,
        ),
        lines(
            "Planning and finishing of batch jobs",
            "Attempts by how they ended.",
            Query(
                rate(f"aihub_jobs_finished_total{{{MINE}, {BATCH_KINDS}}}", "kind, outcome"),
                "{{kind}} {{outcome}}",
            ),
            scale=PER_SECOND,
        ),
        lines(
            "Jobs in the table",
            "By kind, of those that are not over.",
            Query(
                'sum by (kind) (max by (kind, state) (aihub_jobs{state=~"queued|running"}))',
                "{{kind}}",
            ),
            scale=SHORT,
            stacked=True,
        ),
        lines(
            "Memory of workers' parents",
            "Their children, which compute, are seen by what the platform measures of containers.",
            Query(
                f'process_resident_memory_bytes{{job="aihub", role=~"worker|batch", {MINE}}}',
                "{{role}} {{instance}}",
            ),
            scale=BYTES,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="batch",
    title="AIHub / Batch and background work",
    description="Batch jobs, queues, workers, and how background jobs end.",
    rows=(_NOW, _ROWS, _QUEUES, _JOBS),
    variables=_VARIABLES,
)

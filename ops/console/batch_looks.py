"""How far a batch job is, as people see it."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from inference.batch.selectors import progress_of
from inference.models import BatchJob
from ops.console.looks import rate, remaining, whole


def job_bar(job: BatchJob) -> SafeString:
    """Rows that went well and rows that failed, of all of them."""
    done, failed = _share(job, job.done), _share(job, job.failed)
    return format_html(
        '<span class="hub-bar hub-rows" role="progressbar" aria-label="{}" aria-valuemin="0"'
        ' aria-valuemax="100" aria-valuenow="{}" data-state="{}"'
        ' style="--done: {}%; --failed: {}%"></span>',
        gettext("Progress"),
        str(int(done + failed)),
        job.state,
        f"{done:.2f}",
        f"{failed:.2f}",
    )


def job_words(job: BatchJob) -> str:
    """1,200 of 5,000 · 3 failed · 410 rows/s · 12 s left: what of it is known."""
    progress = progress_of(job)
    parts = [_rows(job)]
    if job.failed:
        parts.append(gettext("{count} failed").format(count=whole(job.failed)))
    if progress.rate is not None:
        parts.append(gettext("{rate} rows/s").format(rate=rate(progress.rate)))
    if progress.eta_seconds is not None:
        parts.append(remaining(progress.eta_seconds))
    return " · ".join(parts)


def _rows(job: BatchJob) -> str:
    went = whole(job.done + job.failed)
    if job.total is None:
        return gettext("{done} rows").format(done=went) if job.done + job.failed else "–"
    return gettext("{done} of {total}").format(done=went, total=whole(job.total))


def _share(job: BatchJob, rows: int) -> float:
    """Percent of all rows; nothing while nobody knows how many there are."""
    return 100 * rows / job.total if job.total else 0.0

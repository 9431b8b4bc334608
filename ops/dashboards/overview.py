"""The first look: does the hub keep its objectives, and what waits for somebody."""

from ops.dashboards.boards import Dashboard, Row
from ops.dashboards.panels import (
    BYTES,
    PER_SECOND,
    REQUESTS,
    SECONDS,
    SHARE,
    Columns,
    Query,
    Scale,
    Steps,
    lines,
    number,
    table,
)
from ops.dashboards.queries import UP, quantile, quantiles, rate

RESPONSES = "django_http_responses_total_by_status_view_method_total"
VIEW_SECONDS = "django_http_requests_latency_seconds_by_view_method"
BURN = Steps(warning=3, bad=14.4)

_NOW = Row(
    "Now",
    (
        number(
            "Alerts that fire",
            "Pages and tickets together. Alertmanager tells which, and their runbooks what to do.",
            Query('count(ALERTS{alertstate="firing", service="aihub"}) or vector(0)'),
            steps=Steps(bad=1),
        ),
        number(
            "Processes",
            "Those of a role that answer Prometheus.",
            Query('sum by (role) (up{job="aihub"}) or aihub:targets_up:count', "{{role}}"),
            steps=Steps(bad=1, falling=True),
            width=6,
        ),
        number(
            "Workers",
            "Workers that gave a sign of life within 15 s: celery processes versions, "
            "batch computes batch jobs.",
            Query("aihub:workers:max", "{{queue}}"),
            steps=Steps(bad=1, falling=True),
        ),
        number("Database", "Seen from web.", Query("aihub:database_up:max"), words=UP),
        number("Object storage", "Seen from web.", Query("aihub:storage_up:max"), words=UP),
        number("Broker", "Seen from web.", Query("aihub:broker_up:max"), words=UP),
        number(
            "Certificate ends in",
            "The certificate at AIHUB_PUBLIC_URL, if that is HTTPS.",
            Query("aihub:certificate_seconds:min", "{{host}}"),
            scale=SECONDS,
            steps=Steps(warning=21 * 86400, bad=7 * 86400, falling=True),
        ),
    ),
)

_OBJECTIVES = Row(
    "Objectives",
    (
        number(
            "Good, of all in this range of time",
            "Predictions that do not end in 5xx (objective: 99.9 %), that take at most 0.5 s "
            "(99 %), and answers of console and control API that are not 5xx (99.9 %).",
            Query(
                "1 - sum_over_time(aihub:requests_bad:rate5m[$__range]) "
                "/ sum_over_time(aihub:requests:rate5m[$__range])",
                "{{objective}}",
            ),
            scale=Scale("percentunit", low=None, decimals=3),
            width=12,
        ),
        number(
            "Of the budget of 30 days is left",
            "Of the bad requests that the objective allows in 30 days, the share not used up. "
            "Below 0 the objective is missed.",
            Query(
                "1 - sum_over_time(aihub:requests_bad:rate5m[30d]) "
                "/ sum_over_time(aihub:requests:rate5m[30d]) / aihub:objective_budget:ratio",
                "{{objective}}",
            ),
            scale=Scale("percentunit", low=None, decimals=1),
            steps=Steps(warning=0.25, bad=0, falling=True),
            width=12,
        ),
        lines(
            "Budget burn over 1 hour",
            "How many times too fast the budget is used up. 14.4 over an hour is a page.",
            Query("aihub:budget_burn:rate1h", "{{objective}}"),
            steps=BURN,
            width=12,
        ),
        lines(
            "Budget burn over 6 hours",
            "How many times too fast the budget is used up. 6 over six hours is a page.",
            Query("aihub:budget_burn:rate6h", "{{objective}}"),
            steps=Steps(warning=3, bad=6),
            width=12,
        ),
    ),
)

_PREDICTION = Row(
    "Prediction",
    (
        lines(
            "Predictions by status",
            "4xx are the callers' doing; 503 means no place or no model, 504 too slow.",
            Query(rate("inference_request_count_total", "status"), "{{status}}"),
            scale=REQUESTS,
            stacked=True,
        ),
        lines(
            "Latency",
            "From the head of a request to its answer, of those that succeeded; all models.",
            *quantiles("inference_request_latency_seconds"),
            scale=SECONDS,
        ),
        lines(
            "Calls under way or waiting",
            "In each replica: what autoscaling reads.",
            Query("sum by (instance) (inference_in_flight_requests)", "{{instance}}"),
            stacked=True,
        ),
        lines(
            "Models called most",
            "Answered calls.",
            Query(f"topk(10, {rate('inference_requests_total', 'model_name')})", "{{model_name}}"),
            scale=REQUESTS,
        ),
        lines(
            "Models that fail most",
            "Calls that did not end well, by what became of them.",
            Query(
                "topk(10, "
                + rate('inference_requests_total{outcome!="ok"}', "model_name, outcome")
                + ")",
                "{{model_name}} {{outcome}}",
            ),
            scale=REQUESTS,
        ),
        lines(
            "Slowest models",
            "What 95 % of a model's predictions stay under.",
            Query(
                "topk(10, "
                + quantile(0.95, "inference_request_latency_seconds", by="model_name")
                + ")",
                "{{model_name}}",
            ),
            scale=SECONDS,
        ),
    ),
)

_CONTROL = Row(
    "Console and control API",
    (
        lines(
            "Answers by status",
            "Without probes and scrapes.",
            Query(rate(RESPONSES, "status"), "{{status}}"),
            scale=REQUESTS,
            stacked=True,
        ),
        lines(
            "Latency",
            "Time that the views take, all together.",
            *quantiles(VIEW_SECONDS),
            scale=SECONDS,
        ),
        lines(
            "Slowest views",
            "What 95 % of a view's answers stay under.",
            Query(
                f"topk(10, {quantile(0.95, VIEW_SECONDS, by='view, method')})",
                "{{method}} {{view}}",
            ),
            scale=SECONDS,
        ),
    ),
)

_WORK = Row(
    "Work",
    (
        lines(
            "Work that waits",
            "Pieces in the table that wait for a worker.",
            Query("aihub:queue_waiting:max", "{{queue}}"),
        ),
        lines(
            "Oldest piece waits for",
            "5 minutes and a queue that grows are a ticket.",
            Query("aihub:queue_oldest_seconds:max", "{{queue}}"),
            scale=SECONDS,
            steps=Steps(warning=300),
        ),
        lines(
            "Attempts at jobs by how they ended",
            "Rejected: the content cannot be accepted. Lost: the worker was gone before the end.",
            Query(rate("aihub_jobs_finished_total", "outcome"), "{{outcome}}"),
            scale=PER_SECOND,
            stacked=True,
        ),
        lines(
            "Versions that are rejected",
            "Of those processed within an hour. Half, and 5 at least, are a ticket.",
            Query("aihub:versions_rejected:ratio1h", "rejected"),
            scale=SHARE,
            steps=Steps(warning=0.5),
        ),
        lines(
            "Webhooks and e-mail that fail",
            "Of the attempts within an hour. Half are a ticket.",
            Query("aihub:deliveries_failed:ratio1h", "{{channel}}"),
            scale=SHARE,
            steps=Steps(warning=0.5),
        ),
        lines(
            "Webhooks and e-mail",
            "Attempts to send, by how they ended.",
            Query(
                rate("aihub_deliveries_sent_total", "channel, outcome"), "{{channel}} {{outcome}}"
            ),
            scale=PER_SECOND,
        ),
        table(
            "Versions",
            "All versions of all models, by state.",
            Query("max by (state) (aihub_versions)", instant=True),
            Columns({"state": "State"}, "Versions"),
            width=6,
        ),
        table(
            "Batch jobs",
            "All that are kept, by state.",
            Query("max by (state) (aihub_batch_jobs)", instant=True),
            Columns({"state": "State"}, "Jobs"),
            width=6,
        ),
        lines(
            "Stored files",
            "Bytes of all files that versions refer to, each content once.",
            Query("max(aihub_storage_bytes)", "bytes"),
            scale=BYTES,
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="overview",
    title="AIHub / Overview",
    description="Objectives, traffic and work of the whole hub.",
    rows=(_NOW, _OBJECTIVES, _PREDICTION, _CONTROL, _WORK),
)

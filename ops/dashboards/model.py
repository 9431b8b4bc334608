"""One model: who is answered how fast, by which version, in which form, and where the time goes."""

from ops.dashboards.boards import Dashboard, Row, Variable
from ops.dashboards.panels import (
    BYTES,
    PER_SECOND,
    REQUESTS,
    SECONDS,
    SHARE,
    Query,
    Steps,
    heatmap,
    lines,
    states,
)
from ops.dashboards.queries import buckets, mean, quantile, quantiles, rate

MODEL = 'model_name="$model", instance=~"$instance"'
CHOSEN = f'{MODEL}, version=~"$version"'
OF_TOTAL = f'{CHOSEN}, stage="total"'
BREAKER = {0: ("closed", "green"), 1: ("half open", "orange"), 2: ("open", "red")}

_VARIABLES = (
    Variable("model", "Model", "inference_requests_total", "model_name", several=False),
    Variable("version", "Version", 'inference_requests_total{model_name="$model"}', "version"),
    Variable("instance", "Replica", 'inference_requests_total{model_name="$model"}', "instance"),
)

_CALLS = Row(
    "Calls",
    (
        lines(
            "Calls by what became of them",
            "Refused: by a limit, or the queue is full. Left: the caller was gone before that.",
            Query(rate(f"inference_requests_total{{{CHOSEN}}}", "outcome"), "{{outcome}}"),
            scale=REQUESTS,
            stacked=True,
        ),
        lines(
            "Share of calls that fail",
            "Of calls that were answered: unavailable, timeout and error.",
            Query(
                "("
                + rate(
                    f'inference_requests_total{{{CHOSEN}, outcome=~"unavailable|timeout|error"}}'
                )
                + f" or 0 * {rate(f'inference_requests_total{{{CHOSEN}}}')}) / "
                + rate(f'inference_requests_total{{{CHOSEN}, outcome!="left"}}'),
                "share",
            ),
            scale=SHARE,
        ),
        lines(
            "Answers by HTTP status",
            "Of all versions together.",
            Query(rate(f"inference_request_count_total{{{MODEL}}}", "status"), "{{status}}"),
            scale=REQUESTS,
            stacked=True,
        ),
        lines(
            "Latency",
            "From the head of a request to its answer, of those that succeeded.",
            *quantiles("inference_stage_seconds", OF_TOTAL),
            scale=SECONDS,
        ),
        heatmap(
            "Latency, all of it",
            "How many calls took how long.",
            buckets("inference_stage_seconds", OF_TOTAL),
            unit="s",
        ),
        lines(
            "Answers of others",
            "Given by another version or model, since this one failed or was not there.",
            Query(
                rate(f"inference_fallbacks_total{{{MODEL}}}")
                + f" or 0 * {rate(f'inference_request_count_total{{{MODEL}}}')}",
                "fallbacks",
            ),
            scale=REQUESTS,
        ),
    ),
)

_VERSIONS = Row(
    "Versions, side by side",
    (
        lines(
            "Calls by version",
            "How the traffic is split.",
            Query(rate(f"inference_requests_total{{{CHOSEN}}}", "version"), "{{version}}"),
            scale=REQUESTS,
            stacked=True,
        ),
        lines(
            "Latency by version",
            "What 95 % of the calls that succeeded stay under.",
            Query(
                quantile(0.95, "inference_stage_seconds", OF_TOTAL, "version"), "{{version}} p95"
            ),
            scale=SECONDS,
        ),
        states(
            "Circuit breakers",
            "An open one lets nothing through: another version, another model or 503 answers.",
            Query(
                'aihub:breaker_state:max{model_name="$model", version=~"$version"}', "{{version}}"
            ),
            BREAKER,
            width=8,
        ),
    ),
)

_TIME = Row(
    "Where the time goes",
    (
        lines(
            "Stages, mean",
            "Waiting for a place, making inputs, computing.",
            Query(
                mean("inference_stage_seconds", f'{CHOSEN}, stage!="total"', "stage"), "{{stage}}"
            ),
            scale=SECONDS,
            stacked=True,
        ),
        lines(
            "Stages, 95 %",
            "What 95 % of the calls stay under, in each stage.",
            Query(quantile(0.95, "inference_stage_seconds", CHOSEN, "stage"), "{{stage}}"),
            scale=SECONDS,
        ),
        lines(
            "Calls that wait",
            "In each replica. From AIHUB_QUEUE on (256) further ones get 503.",
            Query(f"aihub:variant_queue:max{{{CHOSEN}}}", "{{instance}} {{version}}"),
            steps=Steps(warning=200, bad=256),
        ),
        lines(
            "Calls under way or waiting",
            "By version, of all chosen replicas.",
            Query(f"sum by (version) (inference_in_flight{{{CHOSEN}}})", "{{version}}"),
            stacked=True,
        ),
        lines(
            "Items in a run, mean",
            "Under load, calls that wait are computed together.",
            Query(
                mean("inference_batch_size", CHOSEN, "version, variant"), "{{version}} {{variant}}"
            ),
        ),
        heatmap(
            "Items in a run, all of them",
            "How many runs had how many items.",
            buckets("inference_batch_size", CHOSEN),
            unit="short",
        ),
    ),
)

_FORMS = Row(
    "Forms",
    (
        lines(
            "Calls by form",
            "Which of a version's variants computes: reference is the file as it was published.",
            Query(
                rate(f"inference_requests_total{{{CHOSEN}}}", "version, variant"),
                "{{version}} {{variant}}",
            ),
            scale=REQUESTS,
            stacked=True,
        ),
        lines(
            "Items computed",
            "Pictures, texts or rows in a second.",
            Query(
                rate(f"inference_batch_size_sum{{{CHOSEN}}}", "version, variant"),
                "{{version}} {{variant}}",
            ),
            scale=PER_SECOND,
        ),
        lines(
            "Memory",
            "Of each form that is loaded, in each replica.",
            Query(
                f"sum by (instance, version, variant) (inference_model_loaded_bytes{{{CHOSEN}}})",
                "{{instance}} {{version}} {{variant}}",
            ),
            scale=BYTES,
            stacked=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="model",
    title="AIHub / Model",
    description="One model's predictions: versions, forms, latency and where the time goes.",
    rows=(_CALLS, _VERSIONS, _TIME, _FORMS),
    variables=_VARIABLES,
)

"""Processes, memory, disks, what the hub stands on, and monitoring itself."""

from ops.dashboards.boards import Dashboard, Row, Variable
from ops.dashboards.panels import (
    BYTES,
    PER_SECOND,
    SECONDS,
    SHARE,
    Columns,
    Query,
    Scale,
    Steps,
    lines,
    states,
    table,
)
from ops.dashboards.queries import UP, rate

MINE = 'job="aihub", role=~"$role", instance=~"$instance"'
LEGEND = "{{role}} {{instance}}"
OF_INFER = 'instance=~"$instance"'

_VARIABLES = (
    Variable("role", "Role", 'up{job="aihub"}', "role"),
    Variable("instance", "Process", 'up{job="aihub", role=~"$role"}', "instance"),
)

_PROCESSES = Row(
    "Processes",
    (
        states(
            "Who answers",
            "Whether a process answered when Prometheus asked for its metrics.",
            Query('aihub:target_up:min{role=~"$role", instance=~"$instance"}', LEGEND),
            UP,
        ),
        table(
            "What runs",
            "The version of each process.",
            Query(f"aihub_build_info{{{MINE}}}", instant=True),
            Columns({"role": "Role", "instance": "Process", "version": "Version"}),
        ),
        lines(
            "Processors in use",
            "Cores; of a worker, those of its parent process.",
            Query(f"rate(process_cpu_seconds_total{{{MINE}}}[$__rate_interval])", LEGEND),
        ),
        lines(
            "Memory",
            "Resident; of a worker, its parent process.",
            Query(f"process_resident_memory_bytes{{{MINE}}}", LEGEND),
            scale=BYTES,
        ),
        lines(
            "Open files",
            "Of those that the process may open.",
            Query(f"process_open_fds{{{MINE}}} / process_max_fds{{{MINE}}}", LEGEND),
            scale=SHARE,
            steps=Steps(warning=0.8),
        ),
        lines(
            "Runs since",
            "A process that starts again and again is a ticket.",
            Query(f"time() - process_start_time_seconds{{{MINE}}}", LEGEND),
            scale=SECONDS,
        ),
        lines(
            "Starts within 30 minutes",
            "More than 3 are a ticket.",
            Query('aihub:starts:changes30m{role=~"$role", instance=~"$instance"}', LEGEND),
            steps=Steps(bad=3),
        ),
        lines(
            "Gateways that answer",
            "Kong, when Prometheus asked for its metrics. None is a page.",
            Query("aihub:gateways_up:count", "kong"),
            scale=Scale("short", decimals=0),
        ),
        lines(
            "Beat looked at its schedules",
            "So long ago. 5 minutes are a page.",
            Query("aihub:beat_age_seconds:min", "ago"),
            scale=SECONDS,
            steps=Steps(warning=60, bad=300),
        ),
    ),
)

_INFER = Row(
    "Replicas that predict",
    (
        lines(
            "Replicas with a sign of life",
            "By pool, from the database; the empty name is the general pool.",
            Query("max by (pool) (aihub_replicas)", "pool {{pool}}"),
            Query("aihub:replicas:sum", "all"),
            scale=Scale("short", decimals=0),
        ),
        lines(
            "Memory of models",
            "What loaded models take, of what they may take.",
            Query(
                f"sum by (instance) (inference_model_memory_bytes{{{OF_INFER}}}) / "
                f"sum by (instance) (inference_model_memory_budget_bytes{{{OF_INFER}}})",
                "{{instance}}",
            ),
            scale=SHARE,
            steps=Steps(warning=0.95),
        ),
        lines(
            "Age of routes and identities",
            "Since they were last read from the database. 2 minutes are a page.",
            Query("aihub:snapshot_age_seconds:max", "{{instance}}"),
            scale=SECONDS,
            steps=Steps(warning=30, bad=120),
        ),
        lines(
            "Models loaded",
            "A minute.",
            Query(
                rate(f"inference_model_loads_total{{{OF_INFER}}}", "instance") + " * 60",
                "{{instance}}",
            ),
        ),
        lines(
            "Models that left for others",
            "A minute. More than 3 are a ticket: what is in use does not fit together.",
            Query("aihub:model_evictions_per_minute:rate10m", "{{instance}}"),
            steps=Steps(bad=3),
        ),
        lines(
            "Time spent loading",
            "Of each second; several models may load at once.",
            Query(
                rate(f"inference_model_load_seconds_total{{{OF_INFER}}}", "instance"),
                "{{instance}}",
            ),
            scale=SECONDS,
        ),
    ),
)

_FOUNDATIONS = Row(
    "What the hub stands on",
    (
        states(
            "Database",
            "Seen from each process of web.",
            Query("min by (instance) (aihub_database_up)", "{{instance}}"),
            UP,
            width=8,
        ),
        states(
            "Object storage",
            "Seen from each process of web.",
            Query("min by (instance) (aihub_storage_up)", "{{instance}}"),
            UP,
            width=8,
        ),
        states(
            "Broker",
            "Seen from each process of web.",
            Query("min by (instance) (aihub_broker_up)", "{{instance}}"),
            UP,
            width=8,
        ),
        lines(
            "Free on the disk of AIHUB_HOME",
            "Less than a tenth is a page.",
            Query('aihub:disk_free:ratio{role=~"$role", instance=~"$instance"}', LEGEND),
            scale=SHARE,
            steps=Steps(warning=0.4, bad=0.1, falling=True),
        ),
        lines(
            "Free on that disk in a day",
            "If it goes on as in the last 6 hours. Below 0 is a ticket.",
            Query('aihub:disk_free_bytes:predict24h{role=~"$role", instance=~"$instance"}', LEGEND),
            scale=Scale("bytes", low=None),
            steps=Steps(bad=0, falling=True),
        ),
        lines(
            "Certificate ends in",
            "The certificate at AIHUB_PUBLIC_URL. 21 days are a ticket, 7 a page.",
            Query("aihub:certificate_seconds:min", "{{host}}"),
            scale=Scale("s", low=None),
            steps=Steps(warning=21 * 86400, bad=7 * 86400, falling=True),
        ),
    ),
)

_LIMITS = Row(
    "Limits",
    (
        lines(
            "Calls that a limit refused or slowed down",
            "By limit, of all processes.",
            Query(rate("aihub_limit_hits_total", "limit"), "{{limit}}"),
            scale=PER_SECOND,
            width=12,
        ),
        lines(
            "Logins refused within 10 minutes",
            "For too many failures before them. More than 100 are a ticket.",
            Query("aihub:logins_refused:increase10m", "logins"),
            steps=Steps(bad=100),
            width=12,
        ),
    ),
)

_MONITORING = Row(
    "Monitoring itself",
    (
        lines(
            "How long a scrape takes",
            "Of each process; after 10 s Prometheus gives up.",
            Query(f"scrape_duration_seconds{{{MINE}}}", LEGEND),
            scale=SECONDS,
            steps=Steps(warning=5, bad=10),
        ),
        lines(
            "Series of a scrape",
            "A jump means labels that take too many values.",
            Query(f"scrape_samples_scraped{{{MINE}}}", LEGEND),
        ),
        lines(
            "How long rules take",
            "Of each group; it has to stay below the interval of 15 s.",
            Query(
                "max by (rule_group) (prometheus_rule_group_last_duration_seconds)",
                "{{rule_group}}",
            ),
            scale=SECONDS,
            steps=Steps(bad=15),
        ),
        lines(
            "Rules that failed within 15 minutes",
            "Any is a ticket.",
            Query("aihub:rule_failures:increase15m", "rules"),
            steps=Steps(bad=1),
        ),
        states(
            "Configuration files",
            "Whether the newest one was taken. One that is refused is a ticket.",
            Query("aihub:configuration_loaded:min", "{{job}}"),
            {0: ("refused", "red"), 1: ("taken", "green")},
            width=8,
        ),
        lines(
            "Alerts that reached Alertmanager",
            "By state.",
            Query(rate("alertmanager_alerts_received_total", "status"), "{{status}}"),
            scale=PER_SECOND,
        ),
        lines(
            "Alerts that did not get through within 15 minutes",
            "From Prometheus to Alertmanager, or from there to a receiver. Any is a ticket.",
            Query("aihub:alerts_undelivered:increase15m", "{{job}} {{integration}}"),
            steps=Steps(bad=1),
        ),
    ),
)

DASHBOARD = Dashboard(
    name="system",
    title="AIHub / System",
    description="Processes, memory, disks, what the hub stands on, and monitoring itself.",
    rows=(_PROCESSES, _INFER, _FOUNDATIONS, _LIMITS, _MONITORING),
    variables=_VARIABLES,
)

"""Panels as Grafana reads them: queries, and how what they return is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
GOOD, WARNING, BAD = "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called."""

    expr: str
    legend: str = ""
    instant: bool = False  # the newest value alone
    buckets: bool = False  # of a histogram, for a heatmap

    def as_json(self, ref: str) -> Json:
        return {
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "format": "heatmap" if self.buckets else "table" if self.instant else "time_series",
            "instant": self.instant,
            "legendFormat": self.legend or "__auto",
            "range": not self.instant,
            "refId": ref,
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """What a dashboard shows in one place, `width` by `height` cells of a grid of 24 columns."""

    kind: str
    title: str
    description: str
    queries: tuple[Query, ...]
    width: int
    height: int
    defaults: Json
    options: Json
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()

    def as_json(self, number: int, x: int, y: int) -> Json:
        return {
            "datasource": SOURCE,
            "description": self.description,
            "fieldConfig": {"defaults": self.defaults, "overrides": list(self.overrides)},
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "id": number,
            "options": self.options,
            "targets": [q.as_json(chr(ord("A") + n)) for n, q in enumerate(self.queries)],
            "title": self.title,
            "transformations": list(self.transformations),
            "type": self.kind,
        }


@dataclass(frozen=True, slots=True)
class Steps:
    """Where values become worth a look, and bad; with `falling`, below rather than above."""

    warning: float | None = None
    bad: float | None = None
    falling: bool = False

    def as_json(self) -> Json:
        given = [(self.warning, WARNING), (self.bad, BAD)]
        known = [(value, color) for value, color in given if value is not None]
        if not self.falling:
            steps = [(None, GOOD), *known]
        else:  # Grafana colours what is above a step: each passes its own on to the one before
            above = [GOOD, *(color for _, color in known)]
            limits = [None, *(value for value, _ in reversed(known))]
            steps = list(zip(limits, reversed(above), strict=True))
        return {"mode": "absolute", "steps": [{"color": c, "value": v} for v, c in steps]}


NO_STEPS = Steps()


@dataclass(frozen=True, slots=True)
class Scale:
    """What values are measured in, and between which ends they are drawn."""

    unit: str = "short"
    low: float | None = 0
    high: float | None = None
    decimals: int | None = None

    def as_json(self) -> Json:
        ends = {"min": self.low, "max": self.high, "decimals": self.decimals}
        return {"unit": self.unit} | {k: v for k, v in ends.items() if v is not None}


SHORT = Scale()
SECONDS = Scale("s")
BYTES = Scale("bytes")
SHARE = Scale("percentunit", high=1)
PER_SECOND = Scale("cps")
REQUESTS = Scale("reqps")


def lines(
    title: str,
    description: str,
    *queries: Query,
    scale: Scale = SHORT,
    steps: Steps = NO_STEPS,
    stacked: bool = False,
    width: int = 8,
) -> Panel:
    """Values over time."""
    custom = {
        "drawStyle": "line",
        "fillOpacity": 30 if stacked else 8,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "off" if steps == NO_STEPS else "dashed"},
    }
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        queries=queries,
        width=width,
        height=8,
        defaults={"custom": custom, "thresholds": steps.as_json()} | scale.as_json(),
        options={
            "legend": {
                "calcs": ["mean", "max", "lastNotNull"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def number(
    title: str,
    description: str,
    query: Query,
    *,
    scale: Scale = SHORT,
    steps: Steps = NO_STEPS,
    words: Mapping[int, tuple[str, str]] | None = None,
    width: int = 3,
) -> Panel:
    """The newest value of each series, large; `words` say a value otherwise, with a colour."""
    said = {
        str(value): {"color": color, "index": index, "text": text}
        for index, (value, (text, color)) in enumerate((words or {}).items())
    }
    mappings = [{"options": said, "type": "value"}] if said else []
    return Panel(
        kind="stat",
        title=title,
        description=description,
        queries=(query,),
        width=width,
        height=4,
        defaults={"mappings": mappings, "thresholds": steps.as_json()} | scale.as_json(),
        options={
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        },
    )


def states(
    title: str,
    description: str,
    query: Query,
    words: Mapping[int, tuple[str, str]],
    *,
    width: int = 12,
) -> Panel:
    """When each series had which of a few values."""
    said = {
        str(value): {"color": color, "index": index, "text": text}
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        queries=(query,),
        width=width,
        height=8,
        defaults={
            "custom": {"fillOpacity": 70, "lineWidth": 0},
            "mappings": [{"options": said, "type": "value"}],
            "thresholds": NO_STEPS.as_json(),
        },
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def heatmap(title: str, description: str, query: Query, *, unit: str, width: int = 8) -> Panel:
    """How often values fell into each bucket of a histogram, over time."""
    return Panel(
        kind="heatmap",
        title=title,
        description=description,
        queries=(query,),
        width=width,
        height=8,
        defaults={"custom": {"scaleDistribution": {"type": "linear"}}},
        options={
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "unit": unit},
        },
    )


@dataclass(frozen=True, slots=True)
class Columns:
    """Which labels a table shows, under which heads; `value` is the head of the number."""

    labels: Mapping[str, str]
    value: str = ""
    units: Mapping[str, str] = field(default_factory=dict)


def table(
    title: str, description: str, query: Query, columns: Columns, *, width: int = 12
) -> Panel:
    """The newest value of each series, a row for each."""
    heads = dict(columns.labels) | ({"Value": columns.value} if columns.value else {})
    kept = {"include": {"names": list(heads)}}
    named = {"indexByName": {n: i for i, n in enumerate(heads)}, "renameByName": heads}
    return Panel(
        kind="table",
        title=title,
        description=description,
        queries=(query,),
        width=width,
        height=8,
        defaults={"custom": {"align": "auto", "filterable": True}},
        options={"cellHeight": "sm", "showHeader": True},
        overrides=tuple(
            {
                "matcher": {"id": "byName", "options": head},
                "properties": [{"id": "unit", "value": unit}],
            }
            for head, unit in columns.units.items()
        ),
        transformations=(
            {"id": "filterFieldsByName", "options": kept},
            {"id": "organize", "options": named},
        ),
    )

"""Dashboards as Grafana reads them: rows of panels in a grid, variables, links, annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.dashboards.panels import SOURCE, Json, Panel

COLUMNS = 24
TAG = "aihub"
DEPLOYED = (
    "max by (version, role) (aihub_build_info) "
    "unless max by (version, role) (aihub_build_info offset 5m)"
)
PAGES = 'ALERTS{alertstate="firing", severity="page", service="aihub"}'


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a reader chooses: values of a label of a metric. With `several`, also all of them."""

    name: str
    title: str
    metric: str  # with matchers, if need be
    label: str
    several: bool = True

    def as_json(self) -> Json:
        query = f"label_values({self.metric}, {self.label})"
        every: Json = {"selected": True, "text": ["All"], "value": ["$__all"]}
        return {
            "allValue": ".*" if self.several else None,
            "current": every if self.several else {},
            "datasource": SOURCE,
            "definition": query,
            "hide": 0,
            "includeAll": self.several,
            "label": self.title,
            "multi": self.several,
            "name": self.name,
            "options": [],
            "query": {"qryType": 1, "query": query, "refId": f"{self.name}-values"},
            "refresh": 2,  # whenever the range of time changes
            "regex": "",
            "sort": 1,
            "type": "query",
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of Grafana's; its file is named after `name`."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    def as_json(self) -> Json:
        return {
            "annotations": {"list": [_deployments(), _pages()]},
            "description": self.description,
            "editable": False,
            "graphTooltip": 1,  # one cursor for all panels
            "id": None,
            "links": [_links()],
            "panels": list(_placed(self.rows)),
            "refresh": "30s",
            "schemaVersion": 39,
            "tags": [TAG],
            "templating": {"list": [_source(), *(v.as_json() for v in self.variables)]},
            "time": {"from": "now-3h", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "title": self.title,
            "uid": f"aihub-{self.name}",
            "version": 1,
        }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    """Every row and its panels from left to right, in as many lines as they take."""
    number, y = 1, 0
    for row in rows:
        yield _head(row.title, number, y)
        number, x, y, tallest = number + 1, 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield panel.as_json(number, x, y)
            number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
        y += tallest


def _head(title: str, number: int, y: int) -> Json:
    return {
        "collapsed": False,
        "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        "id": number,
        "panels": [],
        "title": title,
        "type": "row",
    }


def _source() -> Json:
    return {
        "current": {},
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }


def _links() -> Json:
    """A menu of the hub's other dashboards, which keep the range of time."""
    return {
        "asDropdown": False,
        "icon": "dashboard",
        "includeVars": False,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "AIHub",
        "type": "dashboards",
    }


def _deployments() -> Json:
    return _annotation("Deployments", DEPLOYED, "blue", "{{role}} {{version}}", "deployment")


def _pages() -> Json:
    return _annotation("Pages", PAGES, "red", "{{alertname}}", "alert")


def _annotation(name: str, expr: str, color: str, text: str, tag: str) -> Json:
    return {
        "datasource": SOURCE,
        "enable": True,
        "expr": expr,
        "hide": False,
        "iconColor": color,
        "name": name,
        "step": "60s",
        "tagKeys": tag,
        "textFormat": text,
        "titleFormat": name,
        "useValueForTime": False,
    }

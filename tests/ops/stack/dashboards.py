"""Grafana's files as data: the queries of dashboards, with the variables filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aihub.env import BASE_DIR

GRAFANA = BASE_DIR / "ops" / "stack" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")

Board = dict[str, Any]


def board_of(path: Path) -> Board:
    read: Board = json.loads(path.read_text())
    return read


def panels(board: Board) -> list[Any]:
    """Those that show something: rows are but titles."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: Board) -> Iterator[tuple[str, str]]:
    """Each query of panels and annotations, with where it stands."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def variables(board: Board) -> dict[str, tuple[str, str]]:
    """By name: the series whose label is asked for, and the label."""
    found = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            asked = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert asked, variable["query"]
            found[variable["name"]] = (asked[1], asked[2])
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the values of its variables; KeyError for one that has none."""
    return VARIABLE.sub(lambda found: values[found[1]], text)

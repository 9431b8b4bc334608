"""Grafana's files: dashboards that it can show, and where it finds them and their numbers."""

import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.dashboards.files import contents
from ops.dashboards.panels import Query, Steps, lines
from tests.ops.stack.dashboards import (
    FILES,
    GRAFANA,
    VARIABLE,
    Board,
    board_of,
    expressions,
    filled,
    panels,
    variables,
)
from tests.ops.stack.rules import alerts, compared, recorded

BOARDS = [board_of(path) for path in FILES]
BUILT_IN = {"__rate_interval", "__range"}
KINDS = {"timeseries", "stat", "table", "heatmap", "state-timeline"}
UNITS = {"short", "s", "bytes", "percentunit", "cps", "reqps"}
each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])


def test_the_files_are_what_the_code_writes() -> None:
    written = dict(contents())
    assert sorted(written) == FILES
    changed = [path.name for path, text in written.items() if path.read_text() != text]
    assert changed == [], "run “python -m ops.dashboards”"


def test_there_are_the_four() -> None:
    assert [board["uid"] for board in BOARDS] == [
        "aihub-batch",
        "aihub-model",
        "aihub-overview",
        "aihub-system",
    ]
    assert len({board["title"] for board in BOARDS}) == len(BOARDS)


@each_board
class TestEach:
    def test_panels_have_numbers_of_their_own(self, board: Board) -> None:
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(numbers) == len(set(numbers))

    def test_panels_lie_within_the_grid_and_beside_each_other(self, board: Board) -> None:
        places = [panel["gridPos"] for panel in board["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        for one, other in combinations(places, 2):
            assert not overlap(one, other), (one, other)

    def test_a_panel_says_what_it_shows_and_in_what_unit(self, board: Board) -> None:
        for panel in panels(board):
            assert panel["type"] in KINDS
            assert panel["title"]
            assert panel["description"].endswith(".")
            defaults = panel["fieldConfig"]["defaults"]
            if panel["type"] in ("timeseries", "stat"):
                assert defaults["unit"] in UNITS
        assert len({panel["title"] for panel in panels(board)}) >= len(panels(board)) - 1

    def test_every_query_has_an_expression_a_letter_and_the_chosen_source(
        self, board: Board
    ) -> None:
        for panel in panels(board):
            assert panel["targets"]
            letters = [target["refId"] for target in panel["targets"]]
            assert len(letters) == len(set(letters))
            for part in (panel, *panel["targets"]):
                assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert all(target["expr"].strip() for target in panel["targets"])

    def test_series_are_named_after_labels_that_the_query_keeps(self, board: Board) -> None:
        """Where a query groups, a legend can only name what it groups by."""
        for panel in panels(board):
            for target in panel["targets"]:
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                groups = re.findall(r"by \(([^)]*)\)", target["expr"])
                kept = {label.strip() for group in groups for label in group.split(",")}
                assert not groups or named <= kept, panel["title"]

    def test_steps_go_up(self, board: Board) -> None:
        for panel in panels(board):
            steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
            values = [step["value"] for step in steps]
            assert not values or values[0] is None
            assert all(low < high for low, high in pairwise(values[1:]))

    def test_every_variable_is_defined_and_used(self, board: Board) -> None:
        asked = [expr for _, expr in expressions(board)]
        asked += [series for series, _ in variables(board).values()]
        used = {name for text in asked for name in VARIABLE.findall(text)} - BUILT_IN
        assert used == set(variables(board))

    def test_recorded_series_exist(self, board: Board) -> None:
        known = {rule["record"] for rule in recorded()}
        used = {
            name for _, expr in expressions(board) for name in re.findall(r"aihub:[\w:]+", expr)
        }
        assert used <= known

    def test_the_others_are_a_click_away(self, board: Board) -> None:
        (link,) = board["links"]
        assert (link["type"], link["tags"]) == ("dashboards", board["tags"])


def test_what_alerts_look_at_is_on_a_dashboard() -> None:
    shown = {
        name
        for board in BOARDS
        for _, expr in expressions(board)
        for name in re.findall(r"aihub:[\w:]+", expr)
    }
    looked_at = {series.partition("{")[0] for rule in alerts() for series in compared(rule["expr"])}
    guards = {name for name in looked_at if re.search(r":(rate\w+|increase\w+)$", name)}
    assert looked_at - guards - shown == set()


class TestProvisioning:
    def test_the_source_of_numbers_is_prometheus(self) -> None:
        (source,) = provisioned("datasources/prometheus.yml")["datasources"]
        assert source["url"] == "http://prometheus:9090"
        prometheus = yaml.safe_load((GRAFANA.parent / "prometheus" / "prometheus.yml").read_text())
        assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]

    def test_dashboards_come_from_files_alone(self) -> None:
        (provider,) = provisioned("dashboards/aihub.yml")["providers"]
        assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
        assert not provider["allowUiUpdates"]


def provisioned(name: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / name).read_text())


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


class TestHelpers:
    def test_a_place_that_two_panels_share_is_seen(self) -> None:
        place = {"x": 0, "y": 0, "w": 8, "h": 8}
        assert overlap(place, place | {"x": 7})
        assert not overlap(place, place | {"x": 8})

    def test_variables_are_filled_in(self) -> None:
        values = {"model": "a", "__range": "5m"}
        assert filled('x{m="$model"}[$__range] ${model}', values) == 'x{m="a"}[5m] a'
        with pytest.raises(KeyError):
            filled("$unknown", values)

    def test_steps_that_fall_colour_what_is_below_them(self) -> None:
        steps = Steps(warning=21, bad=7, falling=True).as_json()["steps"]
        assert [(step["value"], step["color"]) for step in steps] == [
            (None, "red"),
            (7, "orange"),
            (21, "green"),
        ]

    def test_queries_have_letters(self, tmp_path: Path) -> None:
        panel = lines("t", "d", Query("a"), Query("b")).as_json(1, 0, 0)
        assert [target["refId"] for target in panel["targets"]] == ["A", "B"]

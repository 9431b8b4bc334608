"""Prometheus' files: what promtool says of them, and what every alert has to have."""

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ops.stack.rules import (
    PROMETHEUS,
    RULES,
    UNIT_TESTS,
    Rule,
    alerts,
    alternatives,
    compared,
    recorded,
)

Case = tuple[str, str, str]  # an alert's name, severity and window


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def case_of(name: str, labels: dict[str, str]) -> Case:
    return name, labels["severity"], labels.get("window", "")


def unit_checks() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in UNIT_TESTS]
    return [c for d in documents for test in d["tests"] for c in test["alert_rule_test"]]


ALERTS = alerts()
CASES = [case_of(rule["alert"], rule["labels"]) for rule in ALERTS]


def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", "--lint-fatal", *RULES)
    assert done.returncode == 0, done.stderr


def test_promtool_takes_the_configuration_of_compose() -> None:
    done = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_before(path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_is_seen(tmp_path: Path) -> None:
    document = yaml.safe_load((PROMETHEUS / "tests" / "monitoring.yml").read_text())
    document["rule_files"] = [str(path) for path in RULES]
    fires = next(
        c for test in document["tests"] for c in test["alert_rule_test"] if c["exp_alerts"]
    )
    fires["exp_alerts"] = []
    path = tmp_path / "wrong.yml"
    path.write_text(yaml.safe_dump(document))
    assert promtool("test", "rules", path).returncode == 1


def test_every_alert_is_seen_to_fire() -> None:
    fired = {
        case_of(check["alertname"], alert["exp_labels"])
        for check in unit_checks()
        for alert in check["exp_alerts"]
    }
    assert fired == set(CASES)


def test_every_alert_is_seen_not_to_fire() -> None:
    silent = {
        case
        for check in unit_checks()
        for case in CASES
        if case[0] == check["alertname"]
        and case not in [case_of(case[0], alert["exp_labels"]) for alert in check["exp_alerts"]]
    }
    assert silent == set(CASES)


def test_an_alert_is_named_once_for_each_severity_and_window() -> None:
    assert len(CASES) == len(set(CASES))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: "-".join(case_of_rule(rule)))
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do(rule: Rule) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["labels"]["service"] == "aihub"
    annotations = rule["annotations"]
    assert annotations["summary"]
    assert annotations["description"]
    anchor = rule["alert"].lower()
    assert annotations["runbook_url"] == "{{ $externalLabels.runbooks }}#" + anchor


def case_of_rule(rule: Rule) -> Case:
    return case_of(rule["alert"], rule["labels"])


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: "-".join(case_of_rule(rule)))
def test_an_alert_compares_recorded_series_with_numbers(rule: Rule) -> None:
    names = {rule["record"] for rule in recorded()}
    assert {series.partition("{")[0] for series in compared(rule["expr"])} <= names


@pytest.mark.parametrize(
    "expression",
    [
        "up == 0",
        "aihub:a:b > 1 and rate(x[5m]) > 2",
        "aihub:a:b > 1 or aihub:a:c > 2",
        "aihub:a:b > aihub:a:c",
        "absent(aihub:a:b)",
    ],
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        compared(expression)


@pytest.mark.parametrize(
    ("expression", "sides"),
    [
        ("sum(a) / b", []),
        ("a or b", ["a", "b"]),
        ("a or b or c", ["a", "b", "c"]),
        ("(sum(a{x='1 or 2'}) or 0 * b) / (c or d)", ["sum(a{x='1 or 2'})", "0 * b", "c", "d"]),
        ("time() - (max(a) or vector(0))", ["max(a)", "vector(0)"]),
    ],
)
def test_sides_of_an_or_are_taken_apart(expression: str, sides: list[str]) -> None:
    assert alternatives(expression) == sides


def test_a_recorded_name_says_subject_and_operation() -> None:
    names = [rule["record"] for rule in recorded()]
    assert [name for name in names if not re.fullmatch(r"aihub:[a-z_]+:[a-z0-9]+", name)] == []


def configuration(name: str) -> Any:
    return yaml.safe_load((PROMETHEUS / name).read_text())


COMPOSE, KUBERNETES = configuration("prometheus.yml"), configuration("prometheus-kubernetes.yml")


def test_configurations_differ_only_in_how_processes_are_found() -> None:
    one, other = copy.deepcopy(COMPOSE), copy.deepcopy(KUBERNETES)
    for job in (*one["scrape_configs"], *other["scrape_configs"]):
        for key in ("dns_sd_configs", "kubernetes_sd_configs", "static_configs", "relabel_configs"):
            job.pop(key, None)
    assert one == other


def test_where_runbooks_are_is_said_once_and_is_no_label_of_alerts() -> None:
    assert COMPOSE["global"]["external_labels"] == {"runbooks": "docs/runbooks.md"}
    dropped = COMPOSE["alerting"]["alert_relabel_configs"]
    assert dropped == [{"regex": "runbooks", "action": "labeldrop"}]

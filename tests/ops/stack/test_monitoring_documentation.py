"""docs/monitoring.md says what the files say."""

import re
from pathlib import Path

import pytest

from aihub.env import BASE_DIR
from tests.ops.stack.rules import alerts, recorded

TEXT = (BASE_DIR / "docs" / "monitoring.md").read_text()
PATHS = sorted(set(re.findall(r"(?:k8s|ops)/[\w./-]*[\w/]", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_the_paths_that_it_names_are_there(path: str) -> None:
    made_by_people = path.endswith((".env", "$name.env", "secrets/"))
    assert (BASE_DIR / path).exists() or made_by_people


def test_it_names_every_alert_with_its_severities() -> None:
    said = {}
    for names, severities in re.findall(r"^\| (`[A-Z][^|]*`) \| ([a-z, ]+) \|", TEXT, re.M):
        for name in re.findall(r"`(\w+)`", names):
            said[name] = set(severities.split(", "))
    known: dict[str, set[str]] = {}
    for rule in alerts():
        known.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    assert said == known


def test_it_names_every_objective_and_what_may_be_bad() -> None:
    said = re.findall(r"^\| `([a-z-]+)` \|.*\| ([\d.]+) % \|$", TEXT, re.M)
    budgets = {
        rule["labels"]["objective"]: rule["expr"]
        for rule in recorded()
        if rule["record"] == "aihub:objective_budget:ratio"
    }
    assert {name: f"vector({float(share) / 100:g})" for name, share in said} == budgets


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w.]+\.md)\)", TEXT):
        assert (Path(BASE_DIR) / "docs" / target).is_file()

"""Alertmanager's file: who hears of what, and what keeps silent."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.ops.stack.rules import alerts

FILE = BASE_DIR / "ops" / "stack" / "alertmanager" / "alertmanager.yml"
CONFIG: Any = yaml.safe_load(FILE.read_text())
NAMES = sorted({rule["alert"] for rule in alerts()})


def amtool(*arguments: object) -> str:
    done = subprocess.run(
        ["amtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_amtool_takes_it() -> None:
    assert "SUCCESS" in amtool("check-config", FILE)


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_severity_decides_who_hears(severity: str) -> None:
    labels = ("alertname=NoWorker", f"severity={severity}", "service=aihub")
    said = amtool("config", "routes", "test", f"--config.file={FILE}", *labels)
    assert said.strip() == severity


def test_no_secret_stands_in_it() -> None:
    secret = re.compile(r"\b(\w*(?:password|token|secret|credentials|api_key)\w*):", re.IGNORECASE)
    assert {
        name for name in secret.findall(FILE.read_text()) if not name.endswith("_file")
    } == set()


def test_what_silences_and_what_is_silenced_exists() -> None:
    for rule in CONFIG["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, pattern = re.fullmatch(r'(\w+)=~?"(.*)"', matcher).groups()  # type: ignore[union-attr]
            if label == "alertname":
                for name in pattern.split("|"):
                    assert any(re.fullmatch(name, alert) for alert in NAMES), name

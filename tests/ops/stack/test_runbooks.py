"""Every alert has its runbook, every runbook its alert, and what they name is there."""

import re
from itertools import chain
from pathlib import Path

import yaml

from aihub.env import BASE_DIR
from ops.doctor.examination import CHECKS

RUNBOOKS = (BASE_DIR / "docs" / "runbooks.md").read_text()
BOTH = RUNBOOKS + (BASE_DIR / "docs" / "operations.md").read_text()
RULES = BASE_DIR / "ops" / "stack" / "prometheus" / "rules"
# Those of the monitoring and the gateway stand in components.
MANIFESTS = BASE_DIR / "k8s"


def alerts() -> set[str]:
    groups = (yaml.safe_load(path.read_text())["groups"] for path in RULES.glob("*.yml"))
    rules = chain.from_iterable(group["rules"] for found in groups for group in found)
    return {rule["alert"] for rule in rules if "alert" in rule}


def named(kind: str) -> set[str]:
    """The names of all objects of a kind in the manifests."""
    documents = chain.from_iterable(
        yaml.safe_load_all(path.read_text()) for path in MANIFESTS.rglob("*.yaml")
    )
    return {
        found["metadata"]["name"]
        for found in documents
        if isinstance(found, dict) and found.get("kind") == kind
    }


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    before, _, _ = RUNBOOKS.partition("## Troubleshooting")
    assert set(re.findall(r"^### (\w+)$", before, re.M)) == alerts()


def test_every_section_says_what_it_means_where_to_look_and_whom_to_call() -> None:
    before, _, _ = RUNBOOKS.partition("## Troubleshooting")
    for section in re.split(r"^### ", before, flags=re.M)[1:]:
        name = section.split("\n", 1)[0]
        for part in ("**Means**", "**First look**", "mending**", "**Escalate**"):
            assert part in section, f"{name} lacks {part}"


def test_every_deployment_and_job_that_is_named_is_there() -> None:
    deployments = set(re.findall(r"deploy/(\w+)", BOTH)) - {"deploy"}
    assert deployments <= named("Deployment")
    assert set(re.findall(r"\bjob/(\w+)", BOTH)) <= named("Job")
    assert set(re.findall(r"\bcronjob/(\w+)", BOTH)) <= named("CronJob")
    assert set(re.findall(r"get hpa (\w+)|hpa/(\w+)", BOTH)) <= {
        (name, "") for name in named("HorizontalPodAutoscaler")
    }
    assert set(re.findall(r"component=(\w+)", BOTH)) <= named("Deployment")


def test_every_check_and_command_that_is_named_is_there() -> None:
    asked = " ".join(re.findall(r"--only ([a-z ]+)", BOTH.replace("\n", " "))).split()
    assert "database" in asked
    commands = {path.stem for path in BASE_DIR.glob("*/management/commands/*.py")}
    commands |= {"check", "migrate", "shell", "changepassword", "dbshell"}
    assert set(re.findall(r"manage\.py ([a-z_]+)", BOTH)) <= commands
    first = [words.split()[0] for words in re.findall(r"doctor --only ([a-z ]+)", BOTH)]
    assert set(first) <= set(CHECKS)


def test_every_link_leads_somewhere() -> None:
    for document in ("runbooks.md", "operations.md"):
        text = (BASE_DIR / "docs" / document).read_text()
        for target, anchor in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", text):
            assert anchor in anchors(BASE_DIR / "docs" / (target or document)), anchor
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", text):
            assert (BASE_DIR / "docs" / target).is_file(), target


def anchors(path: Path) -> set[str]:
    """As a page of Markdown makes them of its headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

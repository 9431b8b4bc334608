"""The pipelines: their forms, what they run, and that both run the same."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR

WORKFLOWS = sorted((BASE_DIR / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((BASE_DIR / ".github" / "actions").glob("*/action.yml"))
DEPENDABOT = BASE_DIR / ".github" / "dependabot.yml"
GITLAB = BASE_DIR / ".gitlab-ci.yml"
SCHEMAS = [
    *(("vendor.github-workflows", path) for path in WORKFLOWS),
    *(("vendor.github-actions", path) for path in ACTIONS),
    ("vendor.dependabot", DEPENDABOT),
    ("vendor.gitlab-ci", GITLAB),
]
USES = re.compile(r"^\s*(?:- )?uses: (\S+)(?: +# (\S+))?$", re.MULTILINE)
MAKES = {"lint", "test", "test-external", "soak", "deploy"}
OURS = ("HUB_", "SMOKE_")  # variables that an operator sets
DOCUMENT = BASE_DIR / "docs" / "ci.md"
SERVICES = {"mysql", "redis", "minio"}


@pytest.mark.parametrize(("schema", "path"), SCHEMAS, ids=lambda value: getattr(value, "name", ""))
def test_it_is_what_its_service_reads(schema: str, path: Path) -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", schema, path]
    if schema == "vendor.gitlab-ci":
        command += ["--data-transform", "gitlab-ci"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit_and_names_its_version(path: Path) -> None:
    for action, version in USES.findall(path.read_text()):
        if action.startswith("./"):
            local = BASE_DIR / action
            assert local.is_file() or (local / "action.yml").is_file()
            continue
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version), action


def test_an_action_is_pinned_alike_everywhere() -> None:
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in (*WORKFLOWS, *ACTIONS):
        for action, version in USES.findall(path.read_text()):
            name, _, commit = action.partition("@")
            pins.setdefault(name, set()).add((commit, version))
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


def test_both_pipelines_run_the_same_targets_as_everyone() -> None:
    github = _made(command for path in WORKFLOWS for command in _commands_of_github(path))
    gitlab = _made(_commands_of_gitlab())
    assert github == gitlab == MAKES
    targets = set(re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
    assert targets >= MAKES


def test_every_file_that_they_run_is_there() -> None:
    commands = [c for path in WORKFLOWS for c in _commands_of_github(path)] + _commands_of_gitlab()
    text = "\n".join([*commands, (BASE_DIR / "Makefile").read_text()])
    named = re.findall(r"\b(?:ops|tests|aihub)/[\w/.]+\.(?:sh|py)\b", text)
    assert [name for name in named if not (BASE_DIR / name).is_file()] == []
    scripts = [BASE_DIR / name for name in named if name.endswith(".sh")]
    assert [path for path in scripts if not os.access(path, os.X_OK)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_commands_are_bash(path: Path) -> None:
    for command in _commands_of_github(path):
        checked = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True)
        assert checked.stderr == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_no_more_and_ends(path: Path) -> None:
    workflow = _yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 120, name
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_only_the_job_that_pushes_may_write() -> None:
    writing = {
        (path.stem, name, right)
        for path in WORKFLOWS
        for name, job in _yaml(path)["jobs"].items()
        for right, level in job.get("permissions", {}).items()
        if level == "write"
    }
    rights = ("packages", "id-token", "attestations")
    assert writing == {("release", "push", right) for right in rights}


def test_both_test_on_the_services_of_compose() -> None:
    github = _yaml(WORKFLOWS[0])["jobs"]["test-external"]["services"]
    gitlab = {one["alias"]: one["name"] for one in _yaml(GITLAB)["test-external"]["services"]}
    assert gitlab == {name: service["image"] for name, service in github.items()}
    compose = _yaml(BASE_DIR / "docker-compose.yml")["services"]
    assert gitlab == {name: compose[name]["image"] for name in SERVICES}


def test_no_image_is_whatever_is_newest() -> None:
    texts = [path.read_text() for path in (*WORKFLOWS, GITLAB)]
    images = [
        image
        for text in texts
        for image in re.findall(r"^\s*(?:- )?(?:image|name): ([\w./-]+:\S+)$", text, re.MULTILINE)
    ]
    assert len(images) >= 10
    assert [image for image in images if not re.search(r":(RELEASE\.)?\d", image)] == []


def test_what_has_to_be_set_is_documented() -> None:
    text = "".join(path.read_text() for path in (*WORKFLOWS, GITLAB))
    used = set(re.findall(r"(?:secrets|vars)\.(\w+)", text)) - {"GITHUB_TOKEN"}
    used |= {name for name in re.findall(r"\$(\w+)", GITLAB.read_text()) if name.startswith(OURS)}
    documented = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert documented >= used


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _commands_of_github(path: Path) -> Iterator[str]:
    for job in _yaml(path)["jobs"].values():
        yield from (step["run"] for step in job.get("steps", []) if "run" in step)


def _commands_of_gitlab() -> list[str]:
    jobs = [job for job in _yaml(GITLAB).values() if isinstance(job, dict)]
    return [line for job in jobs for line in job.get("script", [])]


def _made(commands: Any) -> set[str]:
    return {name for command in commands for name in re.findall(r"\bmake ([a-z-]+)", command)}

"""Prometheus finds every container of the hub once, and each under a name of its own."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.k8s.manifests import OVERLAYS, Workload, objects_of
from tests.k8s.rules.probes import roles_of

META = "__meta_kubernetes_pod_"
CONFIGURATION = BASE_DIR / "ops" / "stack" / "prometheus" / "prometheus-kubernetes.yml"
(RELABELLED,) = (
    job["relabel_configs"]
    for job in yaml.safe_load(CONFIGURATION.read_text())["scrape_configs"]
    if job["job_name"] == "aihub"
)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_container_is_asked_once(folder: str) -> None:
    manifests = objects_of(folder)
    for workload in {str(w): w for w, _ in roles_of(manifests)}.values():
        targets = list(targets_of(workload))
        asked = Counter(container for container, _ in targets)
        assert set(asked.values()) == {1}
        assert asked.keys() == {c["name"] for c in workload.pod["containers"]}
        assert len({labels["instance"] for _, labels in targets}) == len(targets)
        assert {labels["role"] for _, labels in targets} == {component_of(workload)}


def component_of(workload: Workload) -> str:
    return workload.labels["app.kubernetes.io/component"]


def targets_of(workload: Workload) -> Iterator[tuple[str, dict[str, str]]]:
    """The containers that are asked, with the labels of what they answer."""
    for container in workload.pod["containers"]:
        for port in container.get("ports", ()):
            labels = relabelled(
                {
                    "__meta_kubernetes_namespace": workload.namespace,
                    f"{META}label_app_kubernetes_io_component": component_of(workload),
                    f"{META}container_port_name": port["name"],
                    f"{META}name": f"{workload.name}-0",
                    f"{META}phase": "Running",
                }
            )
            if labels is not None:
                yield container["name"], labels


def relabelled(labels: dict[str, str]) -> dict[str, str] | None:
    """As Prometheus rewrites the labels of what it found; None for what it drops."""
    labels = dict(labels)
    for rule in RELABELLED:
        value = ";".join(labels.get(name, "") for name in rule["source_labels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule.get("action", "replace") == "replace":
            _replace(rule, match, labels)
        elif (match is not None) != (rule["action"] == "keep"):
            return None
    return labels


def _replace(rule: dict[str, Any], match: re.Match[str] | None, labels: dict[str, str]) -> None:
    if match:
        template = re.sub(r"\$(\d+)", r"\\\1", rule.get("replacement", "$1"))
        labels[rule["target_label"]] = match.expand(template)

"""Prometheus, Alertmanager and Grafana in a cluster."""

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.k8s.manifests import Workload, objects_of

OVERLAY = "overlays/production"


def test_prometheus_may_read_pods_of_its_namespace_and_nothing_else() -> None:
    objects = objects_of(OVERLAY)
    rights = objects.one("Role", "prometheus")["rules"]
    assert rights == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    bound = [b["subjects"] for b in objects.of("ClusterRoleBinding")]
    assert all(subject["name"] != "prometheus" for subjects in bound for subject in subjects)


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_what_was_measured_outlives_its_pod(name: str) -> None:
    (claim,) = objects_of(OVERLAY).one("StatefulSet", name)["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"]


def test_no_password_stands_in_the_manifests() -> None:
    """Secrets are made by whoever runs the hub; Pods only name them."""
    assert list(objects_of(OVERLAY).of("Secret")) == []


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "grafana"])
def test_compose_runs_the_same(name: str) -> None:
    (image,) = (w.pod["containers"][0]["image"] for w in workloads() if w.name == name)
    compose = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    assert image == compose[name]["image"]


def workloads() -> list[Workload]:
    return list(objects_of(OVERLAY).workloads())

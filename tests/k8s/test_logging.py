"""The component for logs, which is applied by itself."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.k8s.manifests import OVERLAYS, objects_of
from tests.k8s.test_render import NEWEST, OLDEST, validate

FOLDER = "components/logging"
AGENTS, ELASTIC = "aihub-log-agents", "aihub-logging"


@pytest.fixture
def objects() -> list[dict[str, Any]]:
    return objects_of(FOLDER).objects


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "Job")
    return {
        o["metadata"]["name"]: o["spec"]["template"]["spec"] for o in objects if o["kind"] in kinds
    }


def in_namespace(objects: list[dict[str, Any]], kind: str) -> set[tuple[str, str]]:
    return {
        (o["metadata"]["namespace"], o["metadata"]["name"]) for o in objects if o["kind"] == kind
    }


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
def test_kubernetes_takes_it(objects: list[dict[str, Any]], release: str, tmp_path: Path) -> None:
    assert validate(objects, release, tmp_path) == ""


def test_filebeat_alone_has_paths_of_the_node(objects: list[dict[str, Any]]) -> None:
    with_paths = {
        name
        for name, pod in pods(objects).items()
        if any("hostPath" in volume for volume in pod.get("volumes", ()))
    }
    assert with_paths == {"filebeat"}
    assert in_namespace(objects, "DaemonSet") == {(AGENTS, "filebeat")}


def test_filebeat_writes_nowhere_but_where_it_keeps_its_place(
    objects: list[dict[str, Any]],
) -> None:
    pod = pods(objects)["filebeat"]
    (container,) = pod["containers"]
    paths = {v["name"] for v in pod["volumes"] if "hostPath" in v}
    written = {m["name"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert written & paths == {"data"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_everything_else_may_run_where_pods_are_restricted(
    objects: list[dict[str, Any]],
) -> None:
    (space,) = (o for o in objects if o["kind"] == "Namespace" and o["metadata"]["name"] == ELASTIC)
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods(objects).items():
        if name == "filebeat":
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_filebeat_may_read_the_hubs_pods_and_nothing_else(objects: list[dict[str, Any]]) -> None:
    assert not [o for o in objects if o["kind"].startswith("ClusterRole")]
    (role,) = (o for o in objects if o["kind"] == "Role")
    assert role["metadata"]["namespace"] == "aihub"
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]


def test_every_volume_and_secret_is_there_or_named(objects: list[dict[str, Any]]) -> None:
    maps = in_namespace(objects, "ConfigMap")
    for name, pod in pods(objects).items():
        space = AGENTS if name == "filebeat" else ELASTIC
        for volume in pod.get("volumes", ()):
            if "configMap" in volume:
                assert (space, volume["configMap"]["name"]) in maps
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                secret = variable.get("valueFrom", {}).get("secretKeyRef")
                assert secret is None or secret["name"] == "aihub-logging-secrets"


def test_compose_and_the_cluster_have_the_same_files(objects: list[dict[str, Any]]) -> None:
    stack = BASE_DIR / "ops/stack"
    same = {
        "filebeat.yml": stack / "filebeat/filebeat-kubernetes.yml",
        "aihub.conf": stack / "logstash/pipeline/aihub.conf",
        "index-template.json": stack / "elasticsearch/index-template.json",
        "saved-objects.ndjson": stack / "kibana/saved-objects.ndjson",
    }
    data = {k: v for o in objects if o["kind"] == "ConfigMap" for k, v in o["data"].items()}
    assert all(data[name] == path.read_text() for name, path in same.items())


def test_filebeat_reads_what_the_hubs_containers_are_called() -> None:
    given = yaml.safe_load((BASE_DIR / "ops/stack/filebeat/filebeat-kubernetes.yml").read_text())
    found = given["filebeat.inputs"][0]["paths"]
    paths = [path.replace("${AIHUB_NAMESPACE:aihub}", "aihub") for path in found]
    for overlay in OVERLAYS:
        for workload in objects_of(overlay).workloads():
            if workload.is_of_the_hub:
                for container in workload.containers:
                    log = f"/var/log/containers/pod_aihub_{container['name']}-0123abcd.log"
                    assert any(fnmatch(log, path) for path in paths), workload

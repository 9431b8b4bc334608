"""What a deployment asks of a cluster, in which order, and how it goes back."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aihub.env import BASE_DIR

KUBECTL = BASE_DIR / ".venv" / "kubectl" / "bin" / "kubectl"
IMAGE = f"registry.example.com/team/aihub@sha256:{'0' * 64}"
PARTS = {
    "Deployment/web": "aihub",
    "Deployment/infer": "aihub",
    "Deployment/kong": "kong",
    "Deployment/grafana": "grafana",
    "StatefulSet/mysql": "mysql",
    "Job/migrate": "aihub",
}
FIRST = "apply ConfigMap/aihub-config Job/migrate StatefulSet/mysql"
REVISION = "jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}"
CONDITION = 'jsonpath={.status.conditions[?(@.status=="True")].type}'
THEN = "apply Deployment/grafana Deployment/infer Deployment/kong Deployment/web"


class Hub(ThreadingHTTPServer):
    """What the smoke test asks, answered with one status."""

    status = 200
    hidden = ""  # a path that is not there

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)


class _Answering(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.send_response(404 if self.path == self.server.hidden else self.server.status)
        self.end_headers()
        self.wfile.write(b'{"name": "aihub"}')

    def log_message(self, *args: Any) -> None:
        pass


@dataclass
class Cluster:
    """A cluster as `tests/ops/deploy/kubectl.py` plays it, and a hub that answers as told."""

    root: Path
    hub: "Hub"

    def deploy(self, *arguments: str, **state: Any) -> subprocess.CompletedProcess[str]:
        begun = {"revisions": {}, "fails": [], "migration": "Complete", "unchanged": []}
        self.state.write_text(json.dumps({**begun, "asked": [], "images": [], **state}))
        programs = f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environ = {
            "PATH": programs,
            "CLUSTER": str(self.state),
            "REAL_KUBECTL": str(KUBECTL),
            "PATIENCE": "2",
            "LOOK_EVERY": "0.1",
            "SMOKE_PATIENCE": "0",
        }
        return subprocess.run(
            [self.root / "ops" / "deploy" / "deploy.sh", *(arguments or self.usual)],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def usual(self) -> tuple[str, str, str]:
        return "tests", IMAGE, f"http://127.0.0.1:{self.hub.server_port}"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    def told(self, name: str) -> Any:
        return json.loads(self.state.read_text())[name]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    shutil.copytree(BASE_DIR / "ops" / "deploy", tmp_path / "ops" / "deploy")
    overlay = tmp_path / "k8s" / "overlays" / "tests"
    overlay.mkdir(parents=True)
    parts = [_part(*part.split("/"), label) for part, label in PARTS.items()]
    overlay.joinpath("parts.json").write_text(json.dumps({"kind": "List", "items": parts}))
    overlay.joinpath("kustomization.yaml").write_text(OVERLAY)
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    script = Path(__file__).with_name("kubectl.py")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    program.chmod(0o755)
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Cluster(tmp_path, hub)
        hub.shutdown()
        thread.join()


OVERLAY = """
namespace: aihub
resources: [parts.json]
images: [{name: aihub, newName: registry.example.com/old/aihub, newTag: 0.1.0}]
configMapGenerator: [{name: aihub-config, literals: [A=b]}]
generatorOptions: {disableNameSuffixHash: true}
"""


def _part(kind: str, name: str, label: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": name, "app.kubernetes.io/name": label}
    containers = [{"name": label, "image": label}]
    pod = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }


def test_the_migration_comes_before_what_serves_and_the_smoke_test_last(cluster: Cluster) -> None:
    done = cluster.deploy(revisions={"web": "3", "infer": "4"})
    assert done.returncode == 0, done.stderr
    assert cluster.told("asked") == [
        "get deployment/infer --ignore-not-found --output " + REVISION,
        "get deployment/kong --ignore-not-found --output " + REVISION,
        "get deployment/web --ignore-not-found --output " + REVISION,
        "delete job/migrate --ignore-not-found",
        FIRST,
        "get job/migrate --output " + CONDITION,
        THEN,
        "rollout status deployment/infer --timeout 2s",
        "rollout status deployment/kong --timeout 2s",
        "rollout status deployment/web --timeout 2s",
    ]
    assert "smoke: ready" in done.stdout
    assert sorted(cluster.told("images")) == ["grafana", "kong", "mysql", IMAGE, IMAGE, IMAGE]


@pytest.mark.parametrize("migration", ["Failed", ""])
def test_nothing_that_serves_changes_where_the_migration_fails(
    cluster: Cluster, migration: str
) -> None:
    done = cluster.deploy(revisions={"web": "3", "infer": "4"}, migration=migration)
    assert done.returncode == 1
    assert "the migration did not end well" in done.stderr
    assert "logs job/migrate --all-containers --tail=50" in cluster.told("asked")
    assert THEN not in cluster.told("asked")
    assert cluster.told("revisions") == {"web": "3", "infer": "4"}


def test_all_go_back_where_one_does_not_come_up(cluster: Cluster) -> None:
    fails = ["rollout status deployment/infer --timeout 2s"]
    done = cluster.deploy(revisions={"web": "3", "infer": "4", "kong": "2"}, fails=fails)
    assert done.returncode == 1
    asked = cluster.told("asked")
    back = asked[asked.index(THEN) + 2 :]
    assert [line for line in back if line.startswith("rollout")] == [
        "rollout undo deployment/infer --to-revision 4",
        "rollout undo deployment/kong --to-revision 2",
        "rollout undo deployment/web --to-revision 3",
        "rollout status deployment/infer --timeout 2s",
        "rollout status deployment/kong --timeout 2s",
        "rollout status deployment/web --timeout 2s",
    ]


def test_all_go_back_where_the_hub_does_not_answer(cluster: Cluster) -> None:
    cluster.hub.status = 503
    before = {"web": "3", "infer": "4", "kong": "2"}
    done = cluster.deploy(revisions=before)
    assert done.returncode == 1
    assert "smoke: /readyz answers 503" in done.stderr
    assert cluster.told("revisions") == {**before, "grafana": "1"}


def test_a_gateway_may_hide_how_the_hub_is(cluster: Cluster) -> None:
    cluster.hub.hidden = "/readyz"
    assert cluster.deploy().returncode == 0
    cluster.hub.hidden = "/login/"
    done = cluster.deploy()
    assert done.returncode == 1
    assert "smoke: /login/ answers 404" in done.stderr


def test_what_has_no_new_revision_yet_is_put_back_and_what_is_new_stays(cluster: Cluster) -> None:
    """A revision is counted a moment after the apply; kubectl skips what did not change."""
    cluster.hub.status = 503
    done = cluster.deploy(revisions={"web": "3"}, unchanged=["web"])
    assert done.returncode == 1
    assert "infer is new: there is nothing to go back to" in done.stderr
    undone = [line for line in cluster.told("asked") if line.startswith("rollout undo")]
    assert undone == ["rollout undo deployment/web --to-revision 3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tests",), "usage:"),
        (("tests", "aihub:latest", "http://hub"), "is no digest"),
        (("nowhere", IMAGE, "http://hub"), "nowhere"),
    ],
)
def test_it_refuses_what_it_cannot_deploy(
    cluster: Cluster, arguments: tuple[str, ...], said: str
) -> None:
    done = cluster.deploy(*arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert cluster.told("asked") == []


@pytest.mark.parametrize("overlay", sorted(p.name for p in (BASE_DIR / "k8s/overlays").iterdir()))
def test_each_overlay_gets_the_image_in_all_its_roles(cluster: Cluster, overlay: str) -> None:
    shutil.rmtree(cluster.root / "k8s")
    (cluster.root / "k8s").symlink_to(BASE_DIR / "k8s")
    done = cluster.deploy(overlay, *cluster.usual[1:])
    assert done.returncode == 0, done.stderr
    roles = {f"Deployment/{role}" for role in ("batch", "beat", "infer", "web", "worker")}
    first, then = (line.split()[1:] for line in cluster.told("asked") if line.startswith("apply "))
    assert roles | {"Deployment/kong", "Service/kong"} <= set(then)
    serving = ("Deployment/", "CronJob/", "DaemonSet/", "HorizontalPodAutoscaler/", "Ingress/")
    assert not [name for name in first if name.startswith(serving)]
    assert {"Job/migrate", "Namespace/aihub", "ServiceAccount/aihub"} <= set(first)
    assert {"StatefulSet/mysql", "Service/mysql"} <= set(first) or overlay != "minikube"
    ours = [image for image in cluster.told("images") if "aihub" in image]
    assert len(ours) >= 6
    assert set(ours) == {IMAGE}

"""Pods as Prometheus takes them in a cluster.

Debian's Prometheus knows no Kubernetes: Pods are told to it with the labels that discovery gives.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.monitoring import Config, Prometheus, prometheus, without_data
from tests.ops.stack.rules import PROMETHEUS
from tests.ports import free_port

PAGE = b"# TYPE inference_in_flight_requests gauge\ninference_in_flight_requests 3\n"
WITHIN = 20.0  # seconds until all are scraped
META = "__meta_kubernetes_pod_"
# Role, port's name, phase, and the name under which it is scraped.
PODS = [
    ("web", "http", "Running", "web-running"),
    ("infer", "http", "Running", "infer-running"),
    ("infer", "http-small", "Running", "infer-running/small"),
    ("infer", "grpc", "Running", ""),
    ("worker", "health", "Running", "worker-running"),
    ("batch", "health", "Running", "batch-running"),
    ("beat", "health", "Running", "beat-running"),
    ("batch", "health", "Succeeded", ""),
    ("web", "http", "Pending", ""),
    ("migrate", "health", "Running", ""),
]


@contextmanager
def page() -> Iterator[str]:
    """A process that answers `/metrics`; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configuration(address: str) -> Config:
    """That of the cluster, with Pods of all kinds that are found at one address."""
    config: Config = yaml.safe_load((PROMETHEUS / "prometheus-kubernetes.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    del config["alerting"]["alertmanagers"]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (discovery,) = jobs["aihub"].pop("kubernetes_sd_configs")
    assert discovery["selectors"] == [{"role": "pod", "label": "app.kubernetes.io/name=aihub"}]
    jobs["aihub"]["static_configs"] = [
        {
            "targets": [address],
            "labels": {
                "__meta_kubernetes_namespace": "aihub",
                f"{META}name": f"{role}-{phase.lower()}",
                f"{META}label_app_kubernetes_io_component": role,
                f"{META}container_port_name": port,
                f"{META}phase": phase,
            },
        }
        for role, port, phase, _ in PODS
    ]
    config["scrape_configs"] = [jobs["aihub"]]
    return config


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("discovery")
    with page() as address, prometheus(folder, free_port(), configuration(address)) as running:
        every = f"count(up == 1) == {sum(bool(instance) for *_, instance in PODS)}"
        assert without_data(running.values, {"every": every}, WITHIN) == {}
        yield running


def test_each_replica_is_scraped_once_under_a_name_of_its_own(watching: Prometheus) -> None:
    found = [target["labels"] for target in watching.targets()]
    assert sorted((t["role"], t["instance"]) for t in found) == sorted(
        (role, instance) for role, _, _, instance in PODS if instance
    )
    assert {frozenset(t) for t in found} == {
        frozenset({"job", "role", "namespace", "pod", "instance"})
    }


def test_rules_are_mounted_where_the_configuration_names_them() -> None:
    folder = Path("k8s") / "components" / "monitoring" / "prometheus.yaml"
    stateful = next(iter(yaml.safe_load_all((BASE_DIR / folder).read_text())))
    (volume,) = stateful["spec"]["template"]["spec"]["volumes"]
    paths = {
        i["path"] for s in volume["projected"]["sources"] for i in s["configMap"].get("items", ())
    }
    assert paths == {f"rules/{path.name}" for path in (PROMETHEUS / "rules").glob("*.yml")}

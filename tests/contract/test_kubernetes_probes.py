"""The probes of the manifests, asked of roles that run with the manifests' own variables."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from aihub.env import BASE_DIR
from tests.hub import hub_environ
from tests.k8s.manifests import Manifests, Workload, objects_of
from tests.k8s.rules.environment import environ_of
from tests.k8s.rules.probes import PROBES
from tests.ops.launching import wait_until
from tests.ports import free_port
from tests.stack import Stack

pytestmark = pytest.mark.slow
ROLES = ("web", "infer", "worker", "batch", "beat")
PORTS = {"http": "AIHUB_PORT", "grpc": "AIHUB_GRPC_PORT", "health": "AIHUB_HEALTH_PORT"}
# Where the data lies, how its places are signed in to, and who listens where is the test's.
OWN = (
    *("AIHUB_HOME", "AIHUB_HOST", "AIHUB_SECRET_KEY", "DATABASE_URL", "AIHUB_BROKER_URL"),
    *("AIHUB_CACHE_URL", "AIHUB_S3_ENDPOINT", "AIHUB_S3_PUBLIC_ENDPOINT", "AIHUB_S3_BUCKET"),
    *("AIHUB_S3_ACCESS_KEY", "AIHUB_S3_SECRET_KEY", "AIHUB_S3_REGION"),
)


@dataclass
class Running:
    """A container of a role that runs here: what kubelet knows of it."""

    container: Mapping[str, Any]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes]

    def ask(self, probe: str) -> httpx.Response | None:
        """As kubelet asks: the Pod's address, and no name of a host."""
        said = self.container[probe]["httpGet"]
        url = f"http://127.0.0.1:{self.environ[PORTS[said['port']]]}{said['path']}"
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            return None


@pytest.fixture(scope="module")
def running(stack: Stack) -> Iterator[dict[str, Running]]:
    """The five roles, side by side, after what the Job does."""
    base = hub_environ(stack, "probes")
    subprocess.run([*_program("prepare")], env=base, cwd=BASE_DIR, check=True, capture_output=True)
    manifests = objects_of("overlays/production")
    with ExitStack() as cleanup:
        started = {}
        for role in ROLES:
            started[role] = _start(role, manifests, base)
            cleanup.callback(_stop, started[role].process)
        yield started


@pytest.mark.parametrize("role", ROLES)
def test_every_probe_is_answered(running: dict[str, Running], role: str) -> None:
    for probe in PROBES:
        wait_until(lambda probe=probe: _is_good(running[role].ask(probe)), f"{role}'s {probe}")
    assert running[role].process.poll() is None


def test_a_page_is_for_those_who_ask_for_it_by_name(running: dict[str, Running]) -> None:
    web = running["web"]
    wait_until(lambda: _is_good(web.ask("livenessProbe")), "web")
    url = f"http://127.0.0.1:{web.environ['AIHUB_PORT']}/login/"
    assert httpx.get(url, headers={"Host": "hub.example.com"}).status_code == 200
    assert httpx.get(url, headers={"Host": "another.example.com"}).status_code == 400


def _start(role: str, manifests: Manifests, base: Mapping[str, str]) -> Running:
    workload = next(w for w in manifests.workloads() if w.name == role)
    environ = _environ(manifests, workload, base)
    log = Path(base["AIHUB_HOME"]) / f"{role}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            _program(role),
            env=environ,
            cwd=BASE_DIR,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(workload.pod["containers"][0], environ, process)


def _environ(manifests: Manifests, workload: Workload, base: Mapping[str, str]) -> dict[str, str]:
    """The manifest's variables, with the data of the tests and free ports; others stay unset."""
    said = environ_of(manifests, workload, workload.pod["containers"][0])
    given = {name: value for name, value in said.items() if name not in OWN}
    others = {n: v for n, v in base.items() if n in OWN or not n.startswith("AIHUB_")}
    ports = {name: str(free_port()) for name in PORTS.values()}
    return {**others, **given, **ports, "AIHUB_HOST": "127.0.0.1"}


def _program(role: str) -> list[str]:
    return [sys.executable, "-m", "ops.launch.container", role]


def _is_good(response: httpx.Response | None) -> bool:
    return response is not None and response.status_code == 200


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

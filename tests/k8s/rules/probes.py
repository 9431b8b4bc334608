"""Probes that mean what they say, and an end that loses nothing."""

from collections.abc import Iterator

from aihub import uvicorn_server
from inference.batch.pace import FITS
from inference.protocol.grpc import server as grpc_server
from registry.tasks import TURN
from tests.k8s.manifests import Manifests, Object, Workload

PROBES = {
    "startupProbe": "/livez",
    "readinessProbe": "/readyz",
    "livenessProbe": "/livez",
}
WITHDRAWN = 5  # seconds until proxies have heard that a Pod takes no more calls, at the least
MARGIN = 5  # seconds to leave, once all is done
# Seconds that each role takes to end what it accepted, once it is told to stop.
ENDS = {
    "web": 30,  # an ordinary request; a longer one is an upload, which is sent again
    "infer": uvicorn_server.GRACE + grpc_server.GRACE,
    "worker": TURN,  # a step of a job that takes longer is begun again elsewhere
    "batch": TURN + FITS[1],
    "beat": 1,
}


def roles_are_probed(manifests: Manifests) -> Iterator[str]:
    """A restart never hangs on what others do: only readiness asks for what lies outside."""
    for w, container in roles_of(manifests):
        for probe, path in PROBES.items():
            if container.get(probe, {}).get("httpGet", {}).get("path") != path:
                yield f"{w}: the {probe} of {container['name']} does not ask {path}"


def probes_ask_ports_that_are_there(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        for container in w.pod["containers"]:
            ports = container.get("ports", ())
            known = {p.get("name") for p in ports} | {p["containerPort"] for p in ports}
            for probe in PROBES:
                asked = container.get(probe, {})
                port = asked.get("httpGet", asked.get("tcpSocket", {})).get("port")
                if port is not None and port not in known:
                    yield f"{w}: the {probe} of {container['name']} asks port {port}"


def proxies_hear_of_the_end_first(manifests: Manifests) -> Iterator[str]:
    """Who serves callers goes on for a while after its Pod has been withdrawn."""
    for w, container in roles_of(manifests):
        if container["args"][0] in ("web", "infer") and pause_of(container) < WITHDRAWN:
            yield f"{w}: {container['name']} stops before proxies have heard of it"


def ends_fit_the_grace_period(manifests: Manifests) -> Iterator[str]:
    for w, container in roles_of(manifests):
        needed = pause_of(container) + ENDS[container["args"][0]] + MARGIN
        if w.pod.get("terminationGracePeriodSeconds", 30) < needed:
            yield f"{w}: {container['name']} may take {needed:g} s to end, and gets less"


def pause_of(container: Object) -> float:
    """Seconds between a Pod's withdrawal and the signal to its container."""
    stop = container.get("lifecycle", {}).get("preStop", {})
    return stop.get("sleep", {}).get("seconds", 0)


def roles_of(manifests: Manifests) -> Iterator[tuple[Workload, Object]]:
    """The containers that run a role, with their workloads."""
    for w in manifests.workloads():
        if w.is_of_the_hub:
            yield from ((w, c) for c in w.pod["containers"] if c.get("args", [""])[0] in ENDS)


RULES = (
    roles_are_probed,
    probes_ask_ports_that_are_there,
    proxies_hear_of_the_end_first,
    ends_fit_the_grace_period,
)

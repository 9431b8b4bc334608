"""What containers ask for, and what they may take."""

from collections.abc import Iterator

from tests.k8s.manifests import Manifests, quantity


def containers_say_what_they_need(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        for container in w.containers:
            resources = container.get("resources", {})
            for kind in ("requests", "limits"):
                for name in ("cpu", "memory"):
                    if name not in resources.get(kind, {}):
                        yield f"{w}: {container['name']} has no {kind} of {name}"


def limits_cover_requests(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        for container in w.containers:
            limits = container.get("resources", {}).get("limits", {})
            for name, asked in container.get("resources", {}).get("requests", {}).items():
                if name in limits and quantity(asked) > quantity(limits[name]):
                    yield f"{w}: {container['name']} asks for more {name} than it may take"


def volumes_in_memory_and_on_disk_are_bounded(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        for volume in w.pod.get("volumes", ()):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield f"{w}: the volume {volume['name']} may fill the node's disk"


RULES = (
    containers_say_what_they_need,
    limits_cover_requests,
    volumes_in_memory_and_on_disk_are_bounded,
)

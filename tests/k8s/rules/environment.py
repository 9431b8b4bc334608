"""The hub's variables: names that the settings know, values that they take."""

from collections.abc import Iterator, Mapping

from django.core.exceptions import ImproperlyConfigured

from aihub import env
from aihub.env import Env
from ops.launch.container import ROLES
from tests.k8s.manifests import Manifests, Object, Workload, example_secrets, quantity


def names_are_known(manifests: Manifests) -> Iterator[str]:
    for w, container in _of_the_hub(manifests):
        for name in env.unknown_names(environ_of(manifests, w, container)):
            yield f"{w} sets {name}, which the hub does not read"


def values_are_taken(manifests: Manifests) -> Iterator[str]:
    for w, container in _of_the_hub(manifests):
        try:
            read_by(manifests, w, container)
        except ImproperlyConfigured as reason:
            yield f"{w} would not start: {reason}"


def roles_are_known(manifests: Manifests) -> Iterator[str]:
    """A container runs a role by its first argument, or a command of manage.py that is there."""
    from django.core.management import get_commands

    for w, container in _of_the_hub(manifests):
        first = container.get("args", [""])[0]
        if first not in ROLES and first not in get_commands():
            yield f"{w} runs {first or 'nothing'}, which is neither a role nor a command"


def caches_fit_their_volume(manifests: Manifests) -> Iterator[str]:
    """Kubelet ends a Pod that outgrows its volume; the cache leaves room for work beside it."""
    for w, container in _of_the_hub(manifests):
        read = read_by(manifests, w, container)
        home = next(v for v in w.pod["volumes"] if v["name"] == "home")
        if quantity(home["emptyDir"]["sizeLimit"]) < 1.25 * read.AIHUB_FILE_CACHE:
            yield f"{w}: AIHUB_FILE_CACHE leaves too little of its volume"


def sandboxes_fit_their_worker(manifests: Manifests) -> Iterator[str]:
    """A conversion ends at its own limit, before the kernel ends the worker with it."""
    for w, container in _of_the_hub(manifests):
        read = read_by(manifests, w, container)
        limit = quantity(container["resources"]["limits"]["memory"])
        if container["args"][0] == "worker" and limit <= read.AIHUB_SANDBOX_MEMORY:
            yield f"{w}: AIHUB_SANDBOX_MEMORY is not below its limit"


def ports_are_served(manifests: Manifests) -> Iterator[str]:
    """The ports of the containers are those that the hub is told to open."""
    for w, container in _of_the_hub(manifests):
        read = read_by(manifests, w, container)
        opened = {
            "http": read.AIHUB_PORT,
            "grpc": read.AIHUB_GRPC_PORT,
            "health": read.AIHUB_HEALTH_PORT,
        }
        for port in container.get("ports", ()):
            if opened.get(port["name"].split("-")[0]) != port["containerPort"]:
                yield f"{w} does not serve {port['name']} at {port['containerPort']}"


def read_by(manifests: Manifests, w: Workload, container: Object) -> Env:
    """The settings as a container reads them."""
    return env.read(environ_of(manifests, w, container))


def environ_of(manifests: Manifests, w: Workload, container: Object) -> dict[str, str]:
    """The variables as kubelet makes them, with the documentation's examples of secrets."""
    environ = dict(IMAGE)
    for source in container.get("envFrom", ()):
        environ |= _data(manifests, w, source["configMapRef"]["name"])
    for variable in container.get("env", ()):
        value = _value(variable)
        if value is not None:
            environ[variable["name"]] = value
    if container.get("args", [""])[0] in ROLES:
        environ["AIHUB_ROLE"] = container["args"][0]
    return environ


# What the image sets itself.
IMAGE: Mapping[str, str] = {
    "AIHUB_HOME": "/var/lib/aihub",
    "AIHUB_HOST": "0.0.0.0",
    "AIHUB_PORT": "8000",
}


def _of_the_hub(manifests: Manifests) -> Iterator[tuple[Workload, Object]]:
    """The containers that run the hub, with their workloads."""
    for w in manifests.workloads():
        if w.is_of_the_hub:
            yield from ((w, c) for c in w.containers if "command" not in c)


def _data(manifests: Manifests, w: Workload, name: str) -> dict[str, str]:
    found = manifests.one("ConfigMap", name)
    assert found["metadata"]["namespace"] == w.namespace
    return found["data"]


def _value(variable: Object) -> str | None:
    """What stands there, or in the example of the Secret; None for what may be left out."""
    if "value" in variable:
        return variable["value"]
    reference = variable["valueFrom"]["secretKeyRef"]
    return example_secrets()[reference["name"]].get(reference["key"])


RULES = (
    names_are_known,
    values_are_taken,
    roles_are_known,
    caches_fit_their_volume,
    sandboxes_fit_their_worker,
    ports_are_served,
)

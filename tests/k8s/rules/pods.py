"""What the restricted standard of pod security asks of every Pod, and a little more."""

import re
from collections.abc import Iterator

from tests.k8s.manifests import Manifests, Object, Workload

VOLUMES = frozenset(
    {
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
        *("persistentVolumeClaim", "projected", "secret"),
    }
)
_PINNED = re.compile(r"[\w./-]+(:(?!latest$)[\w][\w.-]*|@sha256:[0-9a-f]{64})")
RESTRICTED = "pod-security.kubernetes.io/enforce"


def pods_are_restricted(manifests: Manifests) -> Iterator[str]:
    """Everywhere but in a namespace that says that it cannot be."""
    for w in manifests.workloads():
        if _enforced(manifests, w.namespace) != "restricted":
            continue
        for flag in ("hostNetwork", "hostPID", "hostIPC"):
            if w.pod.get(flag):
                yield f"{w} asks for {flag}"
        for volume in w.pod.get("volumes", ()):
            if volume.keys() - {"name"} - VOLUMES:
                yield f"{w} has a volume {volume['name']} of a kind that is not allowed"
        for container in w.containers:
            yield from (f"{w}: {container['name']} {said}" for said in _faults(w, container))


def namespaces_are_restricted(manifests: Manifests) -> Iterator[str]:
    """The hub's own, whatever those of its companions are."""
    for w in manifests.workloads():
        if w.is_of_the_hub and _enforced(manifests, w.namespace) != "restricted":
            yield f"{w} lies in a namespace that lets Pods do anything"


def nothing_writes_to_the_image(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        for container in w.containers:
            if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
                yield f"{w}: {container['name']} may write to its image"


def tokens_are_for_those_who_ask_kubernetes(manifests: Manifests) -> Iterator[str]:
    """Who has no role gets no token."""
    bound = {
        (subject.get("namespace"), subject["name"])
        for binding in manifests.of("RoleBinding", "ClusterRoleBinding")
        for subject in binding["subjects"]
    }
    for w in manifests.workloads():
        has_role = (w.namespace, w.pod.get("serviceAccountName")) in bound
        if not has_role and w.pod.get("automountServiceAccountToken") is not False:
            yield f"{w} gets a token that it has no use for"


def images_are_pinned(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        for container in w.containers:
            if not _PINNED.fullmatch(container.get("image", "")):
                yield f"{w}: the image {container.get('image')} is not pinned"


def containers_get_along(manifests: Manifests) -> Iterator[str]:
    """In one Pod they share its ports; the hub's own tell each other apart by their processes."""
    for w in manifests.workloads():
        ports = [p["containerPort"] for c in w.pod["containers"] for p in c.get("ports", ())]
        if len(set(ports)) < len(ports):
            yield f"{w}: two containers want the same port"
        hubs = [c for c in w.pod["containers"] if w.is_of_the_hub and "command" not in c]
        if len(hubs) > 1 and not w.pod.get("shareProcessNamespace"):
            yield f"{w}: its containers would all report as process 1"


def _enforced(manifests: Manifests, namespace: str) -> str | None:
    if namespace not in manifests.names("Namespace"):
        return None
    return manifests.one("Namespace", namespace)["metadata"].get("labels", {}).get(RESTRICTED)


def _faults(w: Workload, container: Object) -> Iterator[str]:
    of_pod, own = w.pod.get("securityContext", {}), container.get("securityContext", {})
    both = of_pod | own
    if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    capabilities = own.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add", []):
        yield "keeps capabilities"
    if not both.get("runAsNonRoot") or both.get("runAsUser") == 0:
        yield "may run as root"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"


RULES = (
    pods_are_restricted,
    namespaces_are_restricted,
    nothing_writes_to_the_image,
    tokens_are_for_those_who_ask_kubernetes,
    images_are_pinned,
    containers_get_along,
)

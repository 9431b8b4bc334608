"""Whatever names something else names something that is there."""

from collections import Counter
from collections.abc import Iterator

from tests.k8s.manifests import (
    Manifests,
    Object,
    Workload,
    example_secrets,
    named,
    namespace_of,
    takes,
)

CLUSTER_WIDE = frozenset(
    {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "APIService"}
)
BY_KUBERNETES = frozenset({"system-cluster-critical", "system-node-critical"})


def names_are_unique(manifests: Manifests) -> Iterator[str]:
    counts = Counter((namespace_of(o), named(o)) for o in manifests.objects)
    return (f"{name} is there twice" for (_, name), count in counts.items() if count > 1)


def namespaces_are_there(manifests: Manifests) -> Iterator[str]:
    """What is not of the whole cluster lies in a namespace that comes along, or is Kubernetes'."""
    known = manifests.names("Namespace") | {"kube-system"}
    for o in manifests.objects:
        if o["kind"] not in CLUSTER_WIDE and namespace_of(o) not in known:
            yield f"{named(o)} lies in {namespace_of(o) or 'no namespace'}"


def selectors_match_their_own_pods(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        selector = w.spec.get("selector")
        if selector and not takes(selector, w.labels):
            yield f"{w} does not select its own Pods"
        for spread in w.pod.get("topologySpreadConstraints", ()):
            if not takes(spread["labelSelector"], w.labels):
                yield f"{w} spreads other Pods than its own"


def workloads_share_no_pods(manifests: Manifests) -> Iterator[str]:
    """Two that select the same Pods fight over them."""
    for w in manifests.workloads():
        if "selector" not in w.spec:
            continue
        for other in manifests.selected(w.spec["selector"], w.namespace):
            if other.name != w.name and other.kind == w.kind:
                yield f"{w} selects the Pods of {other}"


def services_reach_ports(manifests: Manifests) -> Iterator[str]:
    """A Service selects some Pods, and every one of them has each port that it leads to."""
    for service in manifests.of("Service"):
        selector = service["spec"].get("selector")
        if selector is None:
            continue
        chosen = manifests.selected({"matchLabels": selector}, namespace_of(service))
        if not chosen:
            yield f"{named(service)} selects nothing"
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            for w in chosen:
                if target not in ports_of(w):
                    yield f"{named(service)} leads to port {target}, which {w} has not"


def ingresses_reach_services(manifests: Manifests) -> Iterator[str]:
    for ingress in manifests.of("Ingress"):
        for backend in _backends(ingress):
            services = {
                s["metadata"]["name"]: s
                for s in manifests.of("Service")
                if namespace_of(s) == namespace_of(ingress)
            }
            service = services.get(backend["name"])
            ports = service["spec"]["ports"] if service else ()
            known = {p.get("name") for p in ports} | {p["port"] for p in ports}
            wanted = backend["port"].get("name", backend["port"].get("number"))
            if wanted not in known:
                yield f"{named(ingress)} leads to {backend['name']}:{wanted}, which is not there"


def references_resolve(manifests: Manifests) -> Iterator[str]:
    """ConfigMaps and Secrets with their keys, accounts, priority classes, claims."""
    secrets = example_secrets()
    for w in manifests.workloads():
        maps = {
            o["metadata"]["name"]: set(o.get("data", ())) | set(o.get("binaryData", ()))
            for o in manifests.of("ConfigMap")
            if namespace_of(o) == w.namespace
        }
        kept = {
            o["metadata"]["name"]: set(o.get("data", ())) | set(o.get("stringData", ()))
            for o in manifests.of("Secret")
        }
        kept |= {name: set(values) for name, values in secrets.items()}
        for kind, known, name, keys in (
            *(("ConfigMap", maps, *reference) for reference in _references(w, "configMap")),
            *(("Secret", kept, *reference) for reference in _references(w, "secret")),
        ):
            if name not in known:
                yield f"{w} reads the {kind} {name}, which is not there"
            else:
                yield from (
                    f"{w} reads {key} of the {kind} {name}, which has none"
                    for key in keys - known[name]
                )


def accounts_are_there(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        account = w.pod.get("serviceAccountName", "")
        if account not in manifests.names("ServiceAccount", w.namespace):
            yield f"{w} runs as {account or 'the default account'}, which does not come along"


def priorities_are_there(manifests: Manifests) -> Iterator[str]:
    known = manifests.names("PriorityClass") | BY_KUBERNETES
    for w in manifests.workloads():
        if w.is_of_the_hub and w.pod.get("priorityClassName") not in known:
            yield f"{w} has no priority class that is there"


def claims_are_there(manifests: Manifests) -> Iterator[str]:
    for w in manifests.workloads():
        own = {c["metadata"]["name"] for c in w.spec.get("volumeClaimTemplates", ())}
        volumes = {v["name"]: v for v in w.pod.get("volumes", ())}
        known = own | manifests.names("PersistentVolumeClaim", w.namespace)
        for name, volume in volumes.items():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in known:
                yield f"{w}: the volume {name} is of the claim {claim}, which is not there"
        for container in w.containers:
            for mount in container.get("volumeMounts", ()):
                if mount["name"] not in volumes.keys() | own:
                    yield f"{w} mounts {mount['name']}, which is no volume of its"


def ports_of(w: Workload) -> set[str | int]:
    """The names and the numbers of the ports of a workload's Pods."""
    ports = [p for c in w.pod["containers"] for p in c.get("ports", ())]
    return {p["name"] for p in ports if "name" in p} | {p["containerPort"] for p in ports}


def _backends(ingress: Object) -> Iterator[Object]:
    if "defaultBackend" in ingress["spec"]:
        yield ingress["spec"]["defaultBackend"]["service"]
    for rule in ingress["spec"].get("rules", ()):
        yield from (path["backend"]["service"] for path in rule["http"]["paths"])


def _references(w: Workload, kind: str) -> Iterator[tuple[str, set[str]]]:
    """The ConfigMaps or Secrets that a workload reads, and what of each; optional ones left out."""
    for volume in w.pod.get("volumes", ()):
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            if kind in source:
                found = source[kind]
                name = found.get("name") or found.get("secretName")
                if not found.get("optional"):
                    yield name, {item["key"] for item in found.get("items", ())}
    for container in w.containers:
        for source in container.get("envFrom", ()):
            found = source.get(f"{kind}Ref", {"optional": True})
            if not found.get("optional"):
                yield found["name"], set()
        for variable in container.get("env", ()):
            found = variable.get("valueFrom", {}).get(f"{kind}KeyRef", {"optional": True})
            if not found.get("optional"):
                yield found["name"], {found["key"]}


RULES = (
    names_are_unique,
    namespaces_are_there,
    selectors_match_their_own_pods,
    workloads_share_no_pods,
    services_reach_ports,
    ingresses_reach_services,
    references_resolve,
    accounts_are_there,
    priorities_are_there,
    claims_are_there,
)

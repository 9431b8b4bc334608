"""Who may reach whom."""

from collections.abc import Iterator

from tests.k8s.manifests import Manifests, Object, named, namespace_of
from tests.k8s.rules.links import ports_of

DIRECTIONS = {"Ingress": "from", "Egress": "to"}
MAY_BE_AWAY = frozenset({"kong", "prometheus", "redis"})  # what an overlay may do without


def nobody_reaches_anybody_unasked(manifests: Manifests) -> Iterator[str]:
    """In the namespace of any Pod, a policy closes both directions for all."""
    closed = {
        namespace_of(policy)
        for policy in manifests.of("NetworkPolicy")
        if policy["spec"]["podSelector"] == {}
        and set(policy["spec"]["policyTypes"]) == set(DIRECTIONS)
        and not any(policy["spec"].get(d.lower()) for d in DIRECTIONS)
    }
    for w in manifests.workloads():
        if w.namespace not in closed:
            yield f"{w} lies in a namespace without a policy that closes it"


def policies_choose_pods(manifests: Manifests) -> Iterator[str]:
    """On both ends: a policy for nobody, or from nobody, is a typing error."""
    for policy in manifests.of("NetworkPolicy"):
        ends = [policy["spec"]["podSelector"]]
        ends += [p["podSelector"] for p in _peers(policy) if p.keys() == {"podSelector"}]
        for end in ends:
            if not _may_be_away(end) and not manifests.selected(end, namespace_of(policy)):
                yield f"{named(policy)} names Pods that are not there: {end}"


def policies_open_ports_that_are_there(manifests: Manifests) -> Iterator[str]:
    """They are ports of the Pods that are reached."""
    for policy in manifests.of("NetworkPolicy"):
        chosen = manifests.selected(policy["spec"]["podSelector"], namespace_of(policy))
        known = {port for w in chosen for port in ports_of(w)}
        for rule in policy["spec"].get("ingress", ()) if chosen else ():
            for port in rule.get("ports", ()):
                if port["port"] not in known:
                    yield f"{named(policy)} opens {port['port']}, which none of them has"


def ports_that_services_lead_to_are_open(manifests: Manifests) -> Iterator[str]:
    """To somebody: a Service that nobody may reach is a policy that was forgotten."""
    for service in manifests.of("Service"):
        namespace = namespace_of(service)
        selector = {"matchLabels": service["spec"].get("selector", {})}
        for w in manifests.selected(selector, namespace):
            rules = [
                rule
                for policy in manifests.of("NetworkPolicy")
                if namespace_of(policy) == namespace
                and w in manifests.selected(policy["spec"]["podSelector"], namespace)
                for rule in policy["spec"].get("ingress", ())
            ]
            opened = {p["port"] for rule in rules for p in rule.get("ports", ())}
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if not opened & _both_names(w.pod, target) and not any(
                    "ports" not in rule for rule in rules
                ):
                    yield f"{named(service)}: nobody may reach {target} of {w}"


def _may_be_away(selector: Object) -> bool:
    name = selector.get("matchLabels", {}).get("app.kubernetes.io/name")
    return name in MAY_BE_AWAY


def _both_names(pod: Object, port: str | int) -> set[str | int]:
    """A port by its name and by its number."""
    for container in pod["containers"]:
        for known in container.get("ports", ()):
            names = {known.get("name"), known["containerPort"]}
            if port in names:
                return names - {None}
    return {port}


def _peers(policy: Object) -> Iterator[Object]:
    for direction, peers in DIRECTIONS.items():
        for rule in policy["spec"].get(direction.lower(), ()):
            yield from rule.get(peers, ())


RULES = (
    nobody_reaches_anybody_unasked,
    policies_choose_pods,
    policies_open_ports_that_are_there,
    ports_that_services_lead_to_are_open,
)

"""Who decides how many replicas there are, and how many may be away at once."""

from collections import Counter
from collections.abc import Iterator

from tests.k8s.manifests import Manifests, Object, Workload, named, namespace_of

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def targets_are_there(manifests: Manifests) -> Iterator[str]:
    for scaler in manifests.of(*SCALERS):
        if _target(manifests, scaler) is None:
            yield f"{named(scaler)} scales what is not there"


def one_decides(manifests: Manifests) -> Iterator[str]:
    """Nobody is scaled by two, nor by one while a number stands in the manifest."""
    found = [_target(manifests, s) for s in manifests.of(*SCALERS)]
    targets = [w for w in found if w is not None]
    for name, count in Counter(map(str, targets)).items():
        if count > 1:
            yield f"{name} is scaled by {count}"
    for w in targets:
        if "replicas" in w.spec:
            yield f"{w} is scaled, and applying the manifest would undo it"


def ranges_are_ranges(manifests: Manifests) -> Iterator[str]:
    for scaler in manifests.of(*SCALERS):
        low, high = _range(scaler)
        if not low <= high:
            yield f"{named(scaler)} scales from {low} to {high}"
        if high == 1:
            yield f"{named(scaler)} scales nothing"


def shares_are_of_something(manifests: Manifests) -> Iterator[str]:
    """A share of the processor is one of what a Pod asks for."""
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        w = _target(manifests, scaler)
        asked = [m["resource"]["name"] for m in scaler["spec"]["metrics"] if "resource" in m]
        for container in w.pod["containers"] if w else ():
            for name in asked:
                if name not in container.get("resources", {}).get("requests", {}):
                    yield f"{named(scaler)}: {container['name']} asks for no {name}"


def budgets_choose_pods_and_let_one_go(manifests: Manifests) -> Iterator[str]:
    """A budget that lets none go keeps a node from being drained for ever."""
    chosen: list[Workload] = []
    for budget in manifests.of("PodDisruptionBudget"):
        spec = budget["spec"]
        own = manifests.selected(spec["selector"], namespace_of(budget))
        chosen += own
        if not own:
            yield f"{named(budget)} chooses nothing"
        if "minAvailable" in spec or spec.get("maxUnavailable") in (None, 0, "0%"):
            yield f"{named(budget)} may let none go"
    for name, count in Counter(map(str, chosen)).items():
        if count > 1:  # the Eviction API refuses such a Pod
            yield f"{name} is in {count} budgets"


def roles_with_replicas_have_budgets(manifests: Manifests) -> Iterator[str]:
    protected = {
        str(w)
        for budget in manifests.of("PodDisruptionBudget")
        for w in manifests.selected(budget["spec"]["selector"], namespace_of(budget))
    }
    for w in manifests.workloads():
        is_many = w.is_of_the_hub and w.kind == "Deployment" and w.spec.get("replicas") != 1
        if is_many and str(w) not in protected:
            yield f"{w} has no budget"


def _target(manifests: Manifests, scaler: Object) -> Workload | None:
    reference = scaler["spec"]["scaleTargetRef"]
    wanted = (reference.get("kind", "Deployment"), reference["name"], namespace_of(scaler))
    found = (w for w in manifests.workloads() if (w.kind, w.name, w.namespace) == wanted)
    return next(found, None)


def _range(scaler: Object) -> tuple[int, int]:
    spec = scaler["spec"]
    if scaler["kind"] == "ScaledObject":
        return spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
    return spec.get("minReplicas", 1), spec["maxReplicas"]


RULES = (
    targets_are_there,
    one_decides,
    ranges_are_ranges,
    shares_are_of_something,
    budgets_choose_pods_and_let_one_go,
    roles_with_replicas_have_budgets,
)

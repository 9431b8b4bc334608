"""What must hold of manifests and no schema says. A rule answers with what breaks it, in words."""

from collections.abc import Callable, Iterator

from tests.k8s.manifests import Manifests
from tests.k8s.rules import (
    environment,
    links,
    network,
    pods,
    probes,
    resources,
    scaling,
)

Rule = Callable[[Manifests], Iterator[str]]

RULES: tuple[Rule, ...] = (
    *links.RULES,
    *environment.RULES,
    *pods.RULES,
    *probes.RULES,
    *resources.RULES,
    *scaling.RULES,
    *network.RULES,
)

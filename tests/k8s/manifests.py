"""Manifests as they would be applied: what `kubectl kustomize` makes of a folder of k8s/."""

import copy
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aihub.env import BASE_DIR

K8S = BASE_DIR / "k8s"
KUBECTL = BASE_DIR / ".venv" / "kubectl" / "bin" / "kubectl"
OVERLAYS = sorted(
    str(path.parent.relative_to(K8S))
    for group in ("overlays", "examples")
    for path in (K8S / group).glob("*/kustomization.yaml")
)
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")

Object = dict[str, Any]


@cache
def text_of(folder: str) -> str:
    """What an overlay or an example renders to, as YAML."""
    done = subprocess.run(
        [KUBECTL, "kustomize", K8S / folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of what it will not take much longer
    return done.stdout


def objects_of(folder: str) -> "Manifests":
    """The same, read; a copy of its own for every caller."""
    return Manifests(copy.deepcopy(_read(folder)))


@cache
def _read(folder: str) -> list[Object]:
    return list(yaml.load_all(text_of(folder), Loader=yaml.CSafeLoader))


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes Pods, and the Pod that it makes."""

    kind: str
    name: str
    namespace: str
    spec: Object  # the workload's own

    @property
    def template(self) -> Object:
        inner = self.spec["jobTemplate"]["spec"] if self.kind == "CronJob" else self.spec
        return inner["template"]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.template["metadata"].get("labels", {})

    @property
    def pod(self) -> Object:
        return self.template["spec"]

    @property
    def containers(self) -> list[Object]:
        """Those that run, and those that run before them."""
        return [*self.pod.get("initContainers", ()), *self.pod["containers"]]

    @property
    def is_of_the_hub(self) -> bool:
        return self.labels.get("app.kubernetes.io/name") == "aihub"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(slots=True)
class Manifests:
    """All objects of one rendering."""

    objects: list[Object]

    def of(self, *kinds: str) -> Iterator[Object]:
        return (o for o in self.objects if o["kind"] in kinds)

    def one(self, kind: str, name: str) -> Object:
        return next(o for o in self.of(kind) if o["metadata"]["name"] == name)

    def names(self, kind: str, namespace: str = "") -> set[str]:
        return {
            o["metadata"]["name"]
            for o in self.of(kind)
            if not namespace or namespace_of(o) == namespace
        }

    def workloads(self) -> Iterator[Workload]:
        for o in self.of(*WORKLOADS):
            yield Workload(o["kind"], o["metadata"]["name"], namespace_of(o), o["spec"])

    def selected(self, selector: Object, namespace: str) -> list[Workload]:
        """The workloads in a namespace whose Pods a label selector takes."""
        return [
            w for w in self.workloads() if w.namespace == namespace and takes(selector, w.labels)
        ]


def namespace_of(thing: Object) -> str:
    return thing["metadata"].get("namespace", "")


def named(thing: Object) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def takes(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector takes what has these labels; an empty one takes everything."""
    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", ())
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


_UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def quantity(value: str | float) -> float:
    """A Kubernetes quantity as a number: cores, or bytes."""
    text = str(value)
    for unit, factor in {**_BINARY, **_UNITS}.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def example_secrets() -> dict[str, dict[str, str]]:
    """The Secrets that the documentation has people make, with values that fit, by name."""
    return {
        path.name.removesuffix(".env.example"): _lines(path)
        for path in (K8S / "secrets").glob("*.env.example")
    }


def _lines(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and line[0] != "#")
    return dict(line.split("=", 1) for line in lines)

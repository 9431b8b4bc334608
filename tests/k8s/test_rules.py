"""What must hold of every overlay and example, and each rule seen to notice where it does not."""

from collections.abc import Callable
from os.path import relpath
from pathlib import Path

import pytest
import yaml

from tests.k8s import broken
from tests.k8s.manifests import K8S, OVERLAYS, Manifests, objects_of
from tests.k8s.rules import RULES, Rule


def name_of(thing: object) -> str:
    return getattr(thing, "__name__", str(thing))


@pytest.mark.parametrize("rule", RULES, ids=name_of)
@pytest.mark.parametrize("folder", OVERLAYS)
def test_it_holds(folder: str, rule: Rule) -> None:
    assert list(rule(objects_of(folder))) == []


@pytest.mark.parametrize("overlay", ["production", "spot"])
def test_it_holds_with_every_option(overlay: str, tmp_path: Path) -> None:
    """Whoever adds an option to an overlay adds a line."""
    options = [
        path for path in (K8S / "components").glob("*/kustomization.yaml") if is_option(path)
    ]
    lines = {
        "namespace": "aihub",
        "resources": [relpath(K8S / "overlays" / overlay, tmp_path)],
        "components": [relpath(path.parent, tmp_path) for path in options],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    manifests = objects_of(str(tmp_path))
    assert {"worker", "batch"} <= {o["metadata"]["name"] for o in manifests.of("ScaledObject")}
    assert [fault for rule in RULES for fault in rule(manifests)] == []


def is_option(path: Path) -> bool:
    """A component that neither overlay has by itself; `data` lies outside in both."""
    settings = (K8S / "overlays" / "production" / "settings" / "kustomization.yaml").read_text()
    is_component = yaml.safe_load(path.read_text())["kind"] == "Component"
    name = path.parent.name
    return is_component and name not in ("data", "spot-handler") and f"/{name}\n" not in settings


@pytest.mark.parametrize("spoil", broken.WAYS, ids=name_of)
def test_what_breaks_it_is_seen(spoil: Callable[[Manifests], Rule]) -> None:
    manifests = objects_of("overlays/production")
    rule = spoil(manifests)
    assert list(rule(manifests))


def test_every_rule_is_seen_to_notice() -> None:
    spoilt = {spoil(objects_of("overlays/production")) for spoil in broken.WAYS}
    assert spoilt == set(RULES)

"""Every overlay and example renders, and the API of Kubernetes would take what comes out."""

import copy
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.k8s.manifests import OVERLAYS, Object, objects_of

OLDEST, NEWEST = "1.30", "1.34"  # releases of Kubernetes that docs/kubernetes.md names
VALIDATE = Path(sys.executable).with_name("kubernetes-validate")
OF_OPERATORS = ("keda.sh/",)  # kinds that a cluster has once their operator is installed
KEDA = yaml.safe_load(Path(__file__).with_name("keda.schema.yaml").read_text())


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
def test_kubernetes_takes_them(release: str, tmp_path: Path) -> None:
    """What stands alike in several is looked at once."""
    objects = (o for folder in OVERLAYS for o in objects_of(folder).objects)
    different = {yaml.dump(o, Dumper=yaml.CSafeDumper): o for o in objects}
    assert validate(_known(different.values()), release, tmp_path) == ""


def test_a_field_that_does_not_exist_is_seen(tmp_path: Path) -> None:
    objects = objects_of(OVERLAYS[0]).objects
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["lifecycel"] = {}
    assert "lifecycel" in validate(objects, NEWEST, tmp_path)


def test_keda_takes_what_it_scales_by() -> None:
    validator = Draft202012Validator(KEDA)
    scaled = list(objects_of("examples/keda").of("ScaledObject"))
    assert {o["metadata"]["name"] for o in scaled} == {"worker", "batch"}
    for o in scaled:
        assert [error.message for error in validator.iter_errors(o)] == []
    spoilt = copy.deepcopy(scaled[0])
    spoilt["spec"]["triggers"][0]["metadata"]["threshold"] = 2
    assert list(validator.iter_errors(spoilt))


def test_kubernetes_takes_the_behaviour_that_keda_hands_on(tmp_path: Path) -> None:
    scaled = objects_of("examples/keda").one("ScaledObject", "batch")["spec"]
    scaler = objects_of("overlays/production").one("HorizontalPodAutoscaler", "batch")
    scaler["spec"]["behavior"] = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert validate([scaler], NEWEST, tmp_path) == ""


def _known(objects: Iterable[Object]) -> list[Object]:
    return [o for o in objects if not o["apiVersion"].startswith(OF_OPERATORS)]


def validate(objects: list[Object], release: str, folder: Path) -> str:
    """What kubernetes-validate has to say against manifests."""
    path = folder / "manifests.yaml"
    path.write_text(yaml.dump_all(objects, Dumper=yaml.CSafeDumper))
    done = subprocess.run(
        [VALIDATE, "--strict", "--quiet", "-k", release, path],
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert bool(said.strip()) == bool(done.returncode)
    return said

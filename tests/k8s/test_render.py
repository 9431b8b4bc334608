"""Every overlay and example renders, and the API of Kubernetes would take what comes out."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.k8s.manifests import OVERLAYS, objects_of

OLDEST, NEWEST = "1.30", "1.34"  # releases of Kubernetes that docs/kubernetes.md names
VALIDATE = Path(sys.executable).with_name("kubernetes-validate")
OF_OPERATORS = ("keda.sh/",)  # kinds that a cluster has once their operator is installed


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
@pytest.mark.parametrize("folder", OVERLAYS)
def test_kubernetes_takes_it(folder: str, release: str, tmp_path: Path) -> None:
    known = [o for o in objects_of(folder).objects if not o["apiVersion"].startswith(OF_OPERATORS)]
    assert validate(known, release, tmp_path) == ""


def test_a_field_that_does_not_exist_is_seen(tmp_path: Path) -> None:
    objects = objects_of(OVERLAYS[0]).objects
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["lifecycel"] = {}
    assert "lifecycel" in validate(objects, NEWEST, tmp_path)


def validate(objects: list[dict[str, object]], release: str, folder: Path) -> str:
    """What kubernetes-validate has to say against them."""
    path = folder / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    done = subprocess.run(
        [VALIDATE, "--strict", "--quiet", "-k", release, path],
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert bool(said.strip()) == bool(done.returncode)
    return said

"""What is asked of a hub after a deployment, of one that runs."""

import os
import subprocess
import sys

import pytest

from aihub.env import BASE_DIR
from tests.contract.calls import API, published, unique
from tests.contract.making import LITE0, lite0_weights, tiny_onnx
from tests.hub import Hub
from tests.ports import free_port

pytestmark = pytest.mark.slow


def smoke(url: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it as the pipelines do: by a Python that has nothing installed."""
    return subprocess.run(
        [sys.executable, "-I", "-S", BASE_DIR / "ops" / "deploy" / "smoke.py", url],
        env={"PATH": os.environ["PATH"], "SMOKE_PATIENCE": "0", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _key(hub: Hub, *models: str) -> str:
    """An API key that may call these models and nothing else."""
    said = {"name": unique("smoke"), "actions": ["predict", "read"], "models": list(models)}
    answer = hub.client().post(f"{API}/api-keys/", json=said)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


@pytest.fixture(scope="module")
def tiny(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = unique("smoke-tiny")
    file = tiny_onnx(tmp_path_factory.mktemp("smoke") / "tiny.onnx")
    published(hub, name, "1.0.0", file, task="tensor")
    return name


def test_a_hub_that_is_ready_passes_without_a_key(hub: Hub) -> None:
    done = smoke(f"{hub.url}/")
    assert done.returncode == 0, done.stderr
    assert "smoke: ready" in done.stdout
    assert "nothing was predicted" in done.stdout


def test_it_predicts_with_what_the_key_may_call(hub: Hub, tiny: str) -> None:
    done = smoke(hub.url, AIHUB_API_KEY=_key(hub, tiny))
    assert done.returncode == 0, done.stderr
    assert f"smoke: {tiny} predicts" in done.stdout


def test_it_predicts_with_a_model_of_pictures(hub: Hub) -> None:
    name = unique("smoke-lite0")
    published(hub, name, "1.0.0", lite0_weights(), **LITE0)
    done = smoke(hub.url, AIHUB_API_KEY=_key(hub, name), SMOKE_MODEL=name)
    assert done.returncode == 0, done.stderr
    assert f"smoke: {name} predicts" in done.stdout


def test_it_says_what_is_wrong(hub: Hub, tiny: str) -> None:
    refused = smoke(hub.url, AIHUB_API_KEY="no key", SMOKE_MODEL=tiny)
    assert refused.returncode == 1
    assert f"/v2/models/{tiny} answers 401" in refused.stderr
    away = smoke(f"http://127.0.0.1:{free_port()}")
    assert away.returncode == 1
    assert "/readyz does not answer" in away.stderr
    assert smoke("hub.example.com").returncode == 1

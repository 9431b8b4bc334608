"""An alias moves under load: every replica follows, no request fails."""

import time
from pathlib import Path

import httpx
import pytest

from tests.contract.calls import API, published, set_alias, unique
from tests.hub import Hub
from tests.inference import samples
from tests.resilience.replicas import Callers, replica

pytestmark = pytest.mark.slow
BODY = {"inputs": [[1.0, 2.0, 3.0, 4.0]]}
SWAPS = 6
FOLLOWS_WITHIN = 2.0  # seconds


def test_replicas_follow_an_alias_without_a_failed_request(hub: Hub, tmp_path: Path) -> None:
    model, client = unique("swapped"), hub.client()
    file = samples.linear_onnx(tmp_path / "linear.onnx")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        published(hub, model, version, file, task="tensor")
    set_alias(client, model, "production", "1.0.0")
    token = client.headers["Authorization"]
    with replica(hub, "first") as one, replica(hub, "second") as two:
        urls = [f"{it.url}{API}/models/{model}/predict/" for it in (one, two)]
        with Callers().calling(*urls, token=token, body=BODY) as callers:
            callers.wait_for_more(hub)
            for swap in range(SWAPS):
                version = ("1.1.0", "1.0.0")[swap % 2]
                set_alias(client, model, "production", version)
                moved = time.monotonic()
                for url in urls:
                    _wait_for(url, token, version, moved + FOLLOWS_WITHIN)
                callers.wait_for_more(hub, 20)
    assert set(callers.statuses) == {200}
    assert set(callers.versions) == {"1.0.0", "1.1.0"}


def _wait_for(url: str, token: str, version: str, until: float) -> None:
    with httpx.Client(headers={"Authorization": token}) as client:
        while client.post(url, json=BODY).json()["version"] != version:
            assert time.monotonic() < until, f"{url} does not follow to {version}"


def test_a_replica_serves_the_models_of_its_pool_alone(hub: Hub, tmp_path: Path) -> None:
    model, common, client = unique("heavy"), unique("common"), hub.client()
    file = samples.linear_onnx(tmp_path / "linear.onnx")
    for name in (model, common):
        published(hub, name, "1.0.0", file, task="tensor")
    answer = client.patch(f"{API}/models/{model}/", json={"pool": "big"})
    assert answer.status_code == 200, answer.text
    with replica(hub, "of-the-pool", AIHUB_POOL="big") as big, replica(hub, "of-none") as other:
        headers = {"Authorization": client.headers["Authorization"]}
        statuses = {
            (name, it.url): httpx.post(
                f"{it.url}{API}/models/{name}/predict/", json=BODY, headers=headers
            ).status_code
            for name in (model, common)
            for it in (big, other)
        }
    assert [statuses[model, big.url], statuses[model, other.url]] == [200, 421]
    assert [statuses[common, big.url], statuses[common, other.url]] == [421, 200]

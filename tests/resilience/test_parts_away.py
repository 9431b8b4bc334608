"""Database, broker and object storage killed under load: what is loaded goes on answering."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.calls import API, predict_json, published, set_alias
from tests.hub import Hub, hub_environ
from tests.inference import samples
from tests.resilience.replicas import Callers
from tests.services import Services, running_services
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
INPUTS = [[1.0, 2.0, 3.0, 4.0]]
PARTS = (("mysql",), ("redis",), ("s3",), ("mysql", "redis", "s3"))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Servers of this module's own: no other test wants to see them die."""
    with running_services(tmp_path_factory.mktemp("away")) as running:
        yield running


@pytest.fixture(scope="module")
def own_hub(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    stack = Stack("services", tmp_path_factory.mktemp("away-hub"), services)
    hub = Hub(hub_environ(stack, "away"))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


def test_loaded_models_go_on_answering_and_everything_catches_up(
    own_hub: Hub, services: Services, tmp_path: Path
) -> None:
    client = own_hub.client()
    file = samples.linear_onnx(tmp_path / "linear.onnx")
    published(own_hub, "kept", "1.0.0", file, task="tensor")
    set_alias(client, "kept", "production", "1.0.0")
    assert predict_json(client, "kept", INPUTS).status_code == 200
    url = f"{own_hub.url}{API}/models/kept/predict/"
    token = client.headers["Authorization"]
    with Callers().calling(url, token=token, body={"inputs": INPUTS}) as callers:
        for parts in PARTS:
            _kill_and_bring_back(own_hub, services, parts, callers)
        assert set(callers.statuses) == {200}
        published(own_hub, "kept", "1.1.0", file, task="tensor")
        set_alias(client, "kept", "production", "1.1.0")
        own_hub.wait_until(lambda: callers.versions["1.1.0"] > 0, "the new version to answer", 20)
    assert set(callers.statuses) == {200}


def _kill_and_bring_back(
    hub: Hub, services: Services, parts: tuple[str, ...], callers: Callers
) -> None:
    for part in parts:
        services.kill(part)
    callers.wait_for_more(hub, 200)
    for part in parts:
        services.servers[part].start()
    callers.wait_for_more(hub)

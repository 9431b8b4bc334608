"""A running hub called by Triton's own gRPC client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.contract.calls import published, unique
from tests.contract.making import LITE0, digits_onnx, lite0_weights, photograph
from tests.hub import Hub

Digits = tuple[str, Any, Any]


@pytest.fixture(scope="module")
def client(hub: Hub) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{hub.env.AIHUB_GRPC_PORT}") as opened:
        yield opened


@pytest.fixture(scope="module")
def digits(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """A model's name, images of digits, and what is on them."""
    path, images, wanted = digits_onnx(tmp_path_factory.mktemp("digits") / "digits.onnx")
    name = unique("digits")
    published(hub, name, "1.0.0", path, task="tensor", team="alpha")
    return name, images, wanted


def headers(hub: Hub, user: str = "viewer") -> dict[str, str]:
    return {"authorization": hub.client(user).headers["Authorization"]}


def tensor(name: str, array: np.ndarray, datatype: str) -> InferInput:
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def test_the_hub_lives_and_says_who_it_is(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "aihub"


def test_it_reads_digits(hub: Hub, client: InferenceServerClient, digits: Digits) -> None:
    name, images, wanted = digits
    metadata = client.get_model_metadata(name, headers=headers(hub))
    assert [i.name for i in metadata.inputs] == ["image"]
    answer = client.infer(name, [tensor("image", images, "FP32")], headers=headers(hub))
    assert answer.as_numpy("scores").argmax(axis=1).tolist() == wanted.tolist()


def test_it_knows_what_is_on_a_photograph(hub: Hub, client: InferenceServerClient) -> None:
    name = unique("lite")
    published(hub, name, "1.0.0", lite0_weights(), team="alpha", **LITE0)
    metadata = client.get_model_metadata(name, headers=headers(hub))
    photo = np.array([photograph("coffee.png").read_bytes()], np.object_)
    answer = client.infer(
        name,
        [tensor(metadata.inputs[0].name, photo, "BYTES")],
        outputs=[InferRequestedOutput(metadata.outputs[0].name, class_count=1)],
        headers=headers(hub),
    )
    ((best,),) = answer.as_numpy(metadata.outputs[0].name)
    assert best.decode().endswith(":espresso")


def test_an_api_key_is_an_identity_too(
    hub: Hub, client: InferenceServerClient, digits: Digits, tmp_path: Path
) -> None:
    made = hub.client("owner").post(
        "/api/v1/api-keys/", json={"name": unique("grpc"), "team": "alpha", "actions": ["predict"]}
    )
    assert made.status_code == 201, made.text
    key = {"authorization": f"Api-Key {made.json()['key']}"}
    name, images, _ = digits
    answer = client.infer(name, [tensor("image", images, "FP32")], headers=key)
    assert answer.as_numpy("scores").shape == (len(images), 10)


def test_nobody_and_outsiders_are_refused(
    hub: Hub, client: InferenceServerClient, digits: Digits
) -> None:
    name, images, _ = digits
    for given, status in ((None, "UNAUTHENTICATED"), (headers(hub, "outsider"), "NOT_FOUND")):
        with pytest.raises(InferenceServerException) as caught:
            client.infer(name, [tensor("image", images, "FP32")], headers=given)
        assert caught.value.status() == f"StatusCode.{status}"

"""The Open Inference Protocol of a running hub, by the client that others use, and by curl."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from aihub.env import BASE_DIR
from tests.contract.calls import publish, set_alias
from tests.contract.making import LITE0, lite0_weights, photograph
from tests.hub import Hub
from tests.inference.oip import identity_onnx, tensor

PICTURES, TWICE = "imagenet", {"FP16": "oip-fp16", "FP32": "oip-fp32", "BYTES": "oip-bytes"}
GUIDE = (BASE_DIR / "docs" / "inference-api.md").read_text()


@pytest.fixture(scope="module")
def models(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Lite0 under the guide's name, and models that give back what they are given."""
    folder = tmp_path_factory.mktemp("oip")
    client = hub.client()
    publish(client, PICTURES, "1.0.0", lite0_weights(), **LITE0)
    for datatype, name in TWICE.items():
        path = identity_onnx(folder / f"{name}.onnx", datatype)
        assert publish(client, name, "1.0.0", path, task="tensor").status_code == 202
    for name in (PICTURES, *TWICE.values()):
        hub.wait_ready(name, "1.0.0")
    set_alias(client, PICTURES, "production", "1.0.0")


@pytest.fixture
def headers(hub: Hub, models: None) -> dict[str, str]:
    return {"Authorization": hub.client().headers["Authorization"]}


@pytest.fixture
def client(hub: Hub) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{hub.env.AIHUB_PORT}", concurrency=4) as opened:
        yield opened


def test_the_client_finds_the_server_and_its_models(
    client: InferenceServerClient, headers: dict[str, str]
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "aihub"
    assert client.is_model_ready(PICTURES, headers=headers)
    assert client.is_model_ready(PICTURES, "1.0.0", headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)
    index = client.get_model_repository_index(headers=headers)
    assert {"name": PICTURES, "version": "1.0.0", "state": "READY", "reason": ""} in index


def test_the_client_reads_metadata_configuration_and_statistics(
    client: InferenceServerClient, headers: dict[str, str]
) -> None:
    metadata = client.get_model_metadata(PICTURES, "1.0.0", headers=headers)
    assert metadata["inputs"][0]["shape"] == [-1, 3, 224, 224]
    config = client.get_model_config(PICTURES, headers=headers)
    assert config["input"][0]["dims"] == [3, 224, 224]
    statistics = client.get_inference_statistics(PICTURES, headers=headers)
    assert statistics["model_stats"][0]["version"] == "1.0.0"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", TWICE)
def test_tensors_come_back_raw_and_in_json(
    client: InferenceServerClient, headers: dict[str, str], datatype: str, binary: bool
) -> None:
    values: Any = [["é", ""], ["b", "中"]] if datatype == "BYTES" else [[0.5, -2], [65504, 0]]
    dtypes = {"BYTES": np.object_, "FP16": np.float16, "FP32": np.float32}
    array = np.array(values, dtypes[datatype])
    result = client.infer(
        TWICE[datatype],
        [tensor("x", array, binary=binary)],
        outputs=[InferRequestedOutput("y", binary_data=binary)],
        request_id="7",
        headers=headers,
    )
    found = [e.decode() if isinstance(e, bytes) else e for e in result.as_numpy("y").ravel()]
    assert found == array.ravel().tolist()
    assert result.get_response()["id"] == "7"


def picture(name: str) -> InferInput:
    return tensor("input", np.array([photograph(name).read_bytes()], np.object_))


@pytest.mark.parametrize(("name", "label"), [("coffee.png", "espresso"), ("rocket.jpg", "missile")])
def test_the_client_sends_encoded_pictures(
    client: InferenceServerClient, headers: dict[str, str], name: str, label: str
) -> None:
    best = [InferRequestedOutput("output", class_count=1)]
    result = client.infer(PICTURES, [picture(name)], outputs=best, headers=headers)
    assert result.as_numpy("output")[0, 0].decode().endswith(f":{label}")


def test_the_client_need_not_wait(client: InferenceServerClient, headers: dict[str, str]) -> None:
    rows = [np.full((1, 2), number, np.float32) for number in range(12)]
    calls = [client.async_infer(TWICE["FP32"], [tensor("x", row)], headers=headers) for row in rows]
    for row, call in zip(rows, calls, strict=True):
        np.testing.assert_array_equal(call.get_result().as_numpy("y"), row)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_the_client_compresses(
    client: InferenceServerClient, headers: dict[str, str], algorithm: str
) -> None:
    rows = np.ones((500, 2), np.float32)
    result = client.infer(
        TWICE["FP32"],
        [tensor("x", rows)],
        headers=headers,
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("y"), rows)


@pytest.mark.parametrize(
    ("model", "given", "status", "word"),
    [
        ("oip-fp32", np.ones((1, 3), np.float32), "400", "[1, 3]"),
        ("oip-fp32", np.ones((2,), np.float32), "400", "[2]"),
        ("oip-fp32", np.ones((1, 2), np.float64), "400", "FP64"),
        ("oip-fp32", np.array([["a", "b"]], np.object_), "400", "BYTES"),
        ("imagenet", np.array([b"no picture"], np.object_), "422", "image"),
        ("nobody", np.ones((1, 2), np.float32), "404", "nobody"),
    ],
)
def test_the_client_is_told_what_does_not_fit(
    client: InferenceServerClient,
    headers: dict[str, str],
    model: str,
    given: np.ndarray[Any, Any],
    status: str,
    word: str,
) -> None:
    name = "input" if model == PICTURES else "x"
    with pytest.raises(InferenceServerException) as raised:
        client.infer(model, [tensor(name, given)], headers=headers)
    assert raised.value.status() == status
    assert word in raised.value.message()


def test_the_client_has_to_sign_in(client: InferenceServerClient, models: None) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.get_model_metadata(PICTURES)
    assert raised.value.status() == "401"


def test_the_client_moves_models_in_and_out_of_memory(
    hub: Hub, client: InferenceServerClient, headers: dict[str, str]
) -> None:
    client.unload_model(TWICE["FP16"], headers=headers)
    client.load_model(TWICE["FP16"], headers=headers)
    viewer = {"Authorization": hub.client("viewer").headers["Authorization"]}
    with pytest.raises(InferenceServerException):
        client.load_model(TWICE["FP16"], headers=viewer)


def test_the_first_protocol_is_there(hub: Hub, models: None) -> None:
    body = {"instances": [[1, 2], [3, 4]]}
    answer = hub.client().post(f"/v1/models/{TWICE['FP32']}:predict", json=body)
    assert answer.json() == {"predictions": [[1, 2], [3, 4]]}


def blocks(language: str) -> list[str]:
    """The guide's blocks of code."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def run(hub: Hub, headers: dict[str, str], *command: str) -> str:
    """What a command of the guide prints, run where the guide expects it."""
    token = headers["Authorization"].removeprefix("Bearer ")
    environ = {**os.environ, "HUB": hub.url, "TOKEN": token}
    done = subprocess.run(
        command, cwd=BASE_DIR, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LINES = [block for block in blocks("bash") if "TOKEN=" not in block]
ANSWERS = ['"espresso"', '"espresso"', '"FP32"', ":espresso", '"model_version"', '"predictions"']


@pytest.mark.parametrize(("line", "answer"), list(zip(LINES, [*ANSWERS, '"error"'], strict=True)))
def test_the_guide_prints_lines_that_work(
    hub: Hub, headers: dict[str, str], line: str, answer: str
) -> None:
    assert answer in run(hub, headers, "bash", "-euc", line)


def test_the_guide_prints_a_client_that_works(
    hub: Hub, headers: dict[str, str], tmp_path: Path
) -> None:
    program = blocks("python")[0]
    assert run(hub, headers, sys.executable, "-c", program).strip().endswith(":espresso")


def test_a_token_is_had_as_the_guide_says(hub: Hub) -> None:
    (line,) = [block for block in blocks("bash") if "TOKEN=" in block]
    assert httpx.URL(re.findall(r"HUB=(\S+)", line)[0]).port == 8000
    assert "/api/v1/auth/token/" in line

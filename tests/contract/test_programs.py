"""Real programs at a running hub: published, converted by its worker, and predicting."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.contract.calls import published, unique
from tests.hub import Hub
from tests.inference.converting import programs
from tests.inference.converting.programs import Program


@pytest.mark.parametrize(
    "make",
    [programs.scripted_resnet, programs.exported_resnet, programs.saved_model, programs.tflite],
)
def test_a_program_predicts_the_originals_numbers(
    hub: Hub, tmp_path: Path, make: Callable[[Path], Program]
) -> None:
    program, name = make(tmp_path), unique("program")
    said = {key: json.dumps(value) for key, value in program.fields.items()}
    if program.task == "image-classification":
        said["preprocessing"] = json.dumps(programs.PREPROCESSING)
    version = published(hub, name, "1.0.0", program.path, task=program.task, **said)
    assert (version["format"], version["served_format"]) == (program.format, "openvino")
    assert [file["path"] for file in version["converted"]] == ["model.bin", "model.xml"]
    assert all(len(file["sha256"]) == 64 and file["size"] > 0 for file in version["converted"])
    assert [file["path"] for file in version["files"]] == [program.path.name]

    tensor = {
        "name": version["signature"]["inputs"][0]["name"],
        "datatype": "FP32",
        "shape": list(program.example.shape),
        "data": program.example.ravel().tolist(),
    }
    answer = hub.client().post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    found = np.array(output["data"]).reshape(output["shape"])
    assert np.abs(found - program.answers(program.example)).max() <= 1e-3

"""A door with a model of each kind behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inference import samples
from tests.inference.door import Door, Published


def published(path: Path, task: str, **fields: object) -> Published:
    files = {path.name: path}
    return Published(samples.spec_for(files, format="onnx", task=task, **fields), files)


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("models")
    lite0 = samples.lite0_spec(labels=samples.imagenet_labels())
    picture = "image-classification"
    models = {
        "Lite": Published(lite0, {"lite0.pth": samples.LITE0}),
        "small": published(samples.linear_onnx(folder / "small.onnx", item=(3, 8, 8)), picture),
        "sure": published(
            samples.linear_onnx(folder / "sure.onnx", item=(3, 8, 8), softmax=True), picture
        ),
        "rows": published(samples.linear_onnx(folder / "rows.onnx"), "tensor"),
        "two": published(samples.two_outputs_onnx(folder / "two.onnx"), "tensor"),
        "square": published(samples.square_onnx(folder / "square.onnx"), "tensor"),
        "picky": published(samples.picky_onnx(folder / "picky.onnx"), "tensor"),
        "waiting": Published(lite0, {"lite0.pth": samples.LITE0}, state="processing"),
        "lost": Published(lite0, {"lite0.pth": folder / "gone.pth"}),
        "misfit": Published(
            samples.lite0_spec(architecture="resnet18"), {"lite0.pth": samples.LITE0}
        ),
    }
    with Door(models) as opened:
        yield opened

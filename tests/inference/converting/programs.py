"""Real models as programs of their frameworks, and hostile ones, with the originals' answers."""

import importlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.inference import format_samples

Array = np.ndarray[Any, Any]
PREPROCESSING = {"resize": 64, "crop": 64}


@dataclass(frozen=True)
class Program:
    """A published file, what its owner says of it, and what the original answers."""

    path: Path
    format: str
    task: str
    answers: Callable[[Array], Array]
    example: Array
    fields: dict[str, Any]


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 1_000_000:
            return x
        return torch.softmax(self.layers(x), 1)


class Reader(nn.Module):
    """Reads and writes a file when it is run."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("/etc/passwd", False, 4, dtype=torch.uint8).sum()


class Endless(nn.Module):
    """As large as its graph is small: what converts it folds it into constants."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.ones(1 << 17, 1 << 17).sum()


def of_module(module: nn.Module) -> Callable[[Array], Array]:
    def answers(x: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(x)).numpy())

    return answers


def resnet18() -> nn.Module:
    importlib.import_module("inference.torchvision_compat")
    torch.manual_seed(0)
    module: nn.Module = importlib.import_module("torchvision.models").resnet18(num_classes=10)
    return module.eval()


def scripted_resnet(folder: Path) -> Program:
    module = resnet18()
    path = folder / "resnet18.pt"
    torch.jit.script(module).save(path)  # type: ignore[no-untyped-call]
    fields = {"preprocessing": PREPROCESSING}
    return Program(
        path, "torchscript", "image-classification", of_module(module), _images(), fields
    )


def exported_resnet(folder: Path) -> Program:
    module = resnet18()
    path = folder / "resnet18.pt2"
    shapes = ({0: torch.export.Dim.AUTO},)
    exported = torch.export.export(module, (torch.rand(2, 3, 64, 64),), dynamic_shapes=shapes)
    torch.export.save(exported, path)
    return Program(path, "torch_export", "image-classification", of_module(module), _images(), {})


def scripted_tensors(folder: Path) -> Program:
    module = Small().eval()
    path = folder / "small.pt"
    torch.jit.script(module).save(path)  # type: ignore[no-untyped-call]
    fields = {"architecture_options": {"inputs": [{"shape": [-1, 64]}]}}
    return Program(path, "torchscript", "tensor", of_module(module), _rows(64), fields)


def saved_model(folder: Path, suffix: str = ".zip") -> Program:
    path = format_samples.saved_model(folder)
    if suffix != ".zip":
        path = format_samples.as_tar(path, folder / f"linear{suffix}")
    return Program(path, "saved_model", "tensor", format_samples.expected, _rows(4), {})


def tflite(folder: Path) -> Program:
    path = format_samples.linear_tflite(folder)
    return Program(path, "tflite", "tensor", format_samples.expected, _rows(4), {})


def hostile_export(path: Path, payload: bytes) -> Path:
    """A `.pt2` with a pickle that runs where it is loaded: torch unpickles its sample inputs."""
    exported = torch.export.export(Small().eval(), (torch.rand(2, 64),))
    clean = io.BytesIO()
    torch.export.save(exported, clean)
    with zipfile.ZipFile(clean) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            data = source.read(info)
            is_sample = info.filename.endswith("sample_inputs/model.pt")
            target.writestr(
                info.filename, _hostile_checkpoint(data, payload) if is_sample else data
            )
    return path


def _hostile_checkpoint(data: bytes, payload: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(made, "w") as target:
        for info in source.infolist():
            pickled = info.filename.endswith("data.pkl")
            target.writestr(info.filename, payload if pickled else source.read(info))
    return made.getvalue()


def scripted(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module.eval()).save(path)  # type: ignore[no-untyped-call]
    return path


def _images() -> Array:
    return np.random.default_rng(1).random((3, 3, 64, 64), dtype=np.float32)


def _rows(width: int) -> Array:
    return np.random.default_rng(1).standard_normal((3, width)).astype(np.float32)


MAKERS: Sequence[Callable[[Path], Program]] = (
    scripted_resnet,
    exported_resnet,
    scripted_tensors,
    saved_model,
    lambda folder: saved_model(folder, ".tar.gz"),
    tflite,
)
NAMES = ("torchscript", "torch_export", "options", "zip", "tar.gz", "tflite")

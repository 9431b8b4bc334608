"""Versions to compile: real weights, nets trained in a moment, and pictures."""

import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from inference import sampling
from inference.optimising import CandidateResult, CompileTask, child
from inference.runtimes import reference_runtime, runtime_named
from inference.runtimes.base import Form
from inference.spec import ModelSpec
from tests.inference import samples

ARCHITECTURES = (samples.DIGITS_ARCHITECTURE,)


def ready(spec: ModelSpec, files: dict[str, Path]) -> ModelSpec:
    """The spec as processing leaves it: completed, with its signature."""
    runtime = runtime_named(reference_runtime(spec.format), ARCHITECTURES)
    spec = runtime.completed(spec)
    model = runtime.load(spec, files, Form(1))
    return replace(spec, signature=sampling.observe(model, spec))


def lite0(folder: Path, **fields: Any) -> CompileTask:
    files = {"lite0.pth": samples.LITE0}
    return task(ready(samples.lite0_spec(), files), files, folder, **fields)


def digits(folder: Path, **fields: Any) -> CompileTask:
    path = folder / "digits.pt"
    torch.save(_trained_digits(), path)
    files = {"digits.pt": path}
    spec = samples.spec_for(
        files,
        format="state_dict",
        architecture="digits_cnn",
        num_classes=10,
        preprocessing=samples.grey_preprocessing(),
    )
    return task(ready(spec, files), files, folder, **fields)


def onnx(path: Path, **fields: Any) -> CompileTask:
    files = {path.name: path}
    known = {"task", "preprocessing", "num_classes"} & fields.keys()
    given = {name: fields.pop(name) for name in known}
    spec = samples.spec_for(files, **{"format": "onnx", "task": "tensor", **given})
    return task(ready(spec, files), files, path.parent, **fields)


def task(spec: ModelSpec, files: dict[str, Path], folder: Path, **fields: Any) -> CompileTask:
    derived = folder / "derived"
    derived.mkdir(exist_ok=True)
    given = {"threads": 1, "seconds": 0.05, "architectures": ARCHITECTURES}
    return CompileTask(spec, files, derived, **{**given, **fields})


def compiled(task: CompileTask) -> dict[str, CandidateResult]:
    """What a compiler's process says, without the process."""
    values = (line["result"] for line in child.lines(task) if "result" in line)
    results = (CandidateResult.from_json(json.loads(json.dumps(value))) for value in values)
    return {result.name: result for result in results}


def digit_pictures(folder: Path, count: int) -> dict[str, Path]:
    """An owner's samples: as PNG files of handwritten digits."""
    found = {}
    for index, pixels in enumerate(load_digits().images[:count]):
        path = folder / f"sample{index}"
        path.write_bytes(png(pixels * 15.9))
        found[f"{index}.png"] = path
    return found


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@cache
def _trained_digits() -> dict[str, torch.Tensor]:
    """Weights that read digits, by a second of training."""
    torch.manual_seed(0)
    data = load_digits()
    pictures = torch.from_numpy(data.images[:, None].astype(np.float32) * 15.9 / 255)
    labels = torch.from_numpy(data.target)
    module = samples.digits_cnn(10)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(pictures), labels).backward()
        optimiser.step()
    return module.state_dict()

"""PyTorch weights (state_dict and safetensors), loaded into a named architecture."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from inference import building
from inference.architectures import Architecture, Architectures
from inference.runtimes.base import Arrays, Form, LoadedModel, Runtime, Unfit
from inference.runtimes.misfits import check_fit
from inference.signature import Signature, TensorSpec
from inference.spec import ModelSpec
from registry.preprocessing import Preprocessing
from registry.refusals import N_, Refused
from registry.scanning.checkpoints import unwrap

_INPUT, _OUTPUT = "input", "output"


class TorchModel(LoadedModel):
    """A module in evaluation mode, FP32, channels last."""

    def __init__(self, module: nn.Module, signature: Signature) -> None:
        self.signature = signature
        self.parameter_count = sum(parameter.numel() for parameter in module.parameters())
        self._module = module

    def predict(self, inputs: Arrays) -> Arrays:
        tensor = torch.from_numpy(inputs[_INPUT])
        if tensor.dim() == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        try:
            with torch.inference_mode():
                return _named(self._module(tensor))
        except (RuntimeError, ValueError, IndexError) as error:
            raise Unfit(str(error)) from error


class TorchRuntime(Runtime):
    """Files of weights; the architecture says everything else."""

    name = "torch"
    formats = frozenset({"state_dict", "safetensors"})

    def __init__(self, architectures: Architectures) -> None:
        self._architectures = architectures

    def completed(self, spec: ModelSpec) -> ModelSpec:
        """Classes and preprocessing from the labels and the architecture where none are given."""
        architecture = self._architectures.get(spec.architecture)
        classes = spec.num_classes or len(spec.labels) or architecture.num_classes
        preprocessing = spec.preprocessing or architecture.preprocessing
        return replace(spec, num_classes=classes, preprocessing=preprocessing)

    def load(self, spec: ModelSpec, files: Mapping[str, Path], form: Form) -> LoadedModel:
        spec = self.completed(spec)
        torch.set_num_threads(form.threads)
        architecture = self._architectures.get(spec.architecture)
        module = _loaded(architecture, spec, read_weights(files[spec.main_file], spec.format))
        return TorchModel(module, spec.signature or _signature(module, spec))


def read_weights(path: Path, format: str) -> dict[str, torch.Tensor]:  # noqa: A002
    """The tensors of a file by name; Refused where it holds none or is damaged."""
    try:
        if format == "safetensors":
            return unwrap(load_file(path))
        return unwrap(
            torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        )
    except (Refused, OSError, MemoryError):
        raise
    except Exception as error:  # the readers raise anything on a damaged file
        raise Refused(
            N_("The weights cannot be read: %(error)s."), error=str(error)[:300].rstrip(".")
        ) from error


def _loaded(
    architecture: Architecture, spec: ModelSpec, weights: dict[str, torch.Tensor]
) -> nn.Module:
    classes = spec.num_classes or architecture.num_classes
    shapes = building.outline(architecture, classes, spec.options)
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    check_fit(architecture.name, classes, shapes, found)
    module = building.build(architecture, classes, spec.options)
    # Strictness is check_fit's: it forgives counters that old files lack.
    module.load_state_dict(weights, strict=False)
    return module.float().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _signature(module: nn.Module, spec: ModelSpec) -> Signature:
    """What is known before the first run; `sample` then records what comes out."""
    shape = (-1, *_input_shape(module, spec.preprocessing))
    return Signature(
        inputs=(TensorSpec(_INPUT, "FP32", shape),),
        outputs=(TensorSpec(_OUTPUT, "FP32", (-1, spec.num_classes or -1)),),
    )


def _input_shape(module: nn.Module, preprocessing: Preprocessing | None) -> tuple[int, ...]:
    """One item's shape: the module's own `input_shape`, else a picture's."""
    declared = getattr(module, "input_shape", None)
    if declared is not None:
        return tuple(int(length) for length in declared)
    if preprocessing is None:
        raise Refused(N_("The architecture does not say what goes in."))
    return (_channels(module), *preprocessing.crop)


def _channels(module: nn.Module) -> int:
    """How many channels the first convolution takes; 3 where there is none."""
    convolutions = (child for child in module.modules() if isinstance(child, nn.Conv2d))
    return next((child.in_channels for child in convolutions), 3)


def _named(output: Any) -> Arrays:
    """A module's answer by name: one tensor, a mapping of them, or a sequence."""
    if isinstance(output, torch.Tensor):
        return {_OUTPUT: _array(output)}
    if isinstance(output, Mapping):
        return {str(name): _array(tensor) for name, tensor in output.items()}
    return {f"{_OUTPUT}_{index}": _array(tensor) for index, tensor in enumerate(output)}


def _array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    return tensor.contiguous().numpy()

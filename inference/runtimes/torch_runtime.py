"""PyTorch weights (state_dict and safetensors), loaded into a named architecture."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file
from torch import nn

from inference import building
from inference.architectures import Architecture, Architectures
from inference.runtimes.base import Array, Arrays, Form, LoadedModel, Runtime, Unfit
from inference.runtimes.misfits import check_fit
from inference.signature import Signature, TensorSpec
from inference.spec import ModelSpec
from registry.preprocessing import Preprocessing
from registry.refusals import N_, Refused
from registry.scanning.checkpoints import unwrap

_INPUT, _OUTPUT = "input", "output"


class TorchModel(LoadedModel):
    """A module in evaluation mode. Outputs are FP32 whatever it computes in."""

    def __init__(self, module: nn.Module, signature: Signature, layout: "Layout") -> None:
        self.signature = signature
        self.bounded = True  # an architecture's layers run one after the other
        self.parameter_count = sum(parameter.numel() for parameter in module.parameters())
        self.module = layout.applied(module)
        self._layout = layout

    def predict(self, inputs: Arrays) -> Arrays:
        tensors = {name: self._layout.tensor(array) for name, array in inputs.items()}
        try:
            with torch.inference_mode():
                return {name: _array(tensor) for name, tensor in self.compute(tensors).items()}
        except (RuntimeError, ValueError, IndexError) as error:
            raise Unfit(str(error)) from error

    def compute(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The module's answer by name, from tensors by name; what an exporter traces too."""
        given = (tensors[tensor.name] for tensor in self.signature.inputs)
        return _named(self.module(*given), self.signature)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a module's numbers are, how pictures lie in memory, and where it runs."""

    dtype: torch.dtype
    channels_last: bool
    device: torch.device

    @classmethod
    def of(cls, form: Form) -> Self:
        """Refused where CUDA is asked for and torch finds none."""
        dtype = torch.bfloat16 if form.precision == "bf16" else torch.float32
        return cls(dtype, bool(form.options.get("channels_last", True)), _device(form.device))

    def applied(self, module: nn.Module) -> nn.Module:
        memory_format = torch.channels_last if self.channels_last else torch.preserve_format
        return module.to(self.device, self.dtype).to(memory_format=memory_format)  # type: ignore[call-overload, no-any-return]

    def tensor(self, array: Array) -> torch.Tensor:
        # torch warns of arrays over a request's bytes, which are read-only.
        own = array if array.flags.writeable else array.copy()
        tensor = torch.from_numpy(own).to(self.device)
        if tensor.is_floating_point():
            tensor = tensor.to(self.dtype)
        if tensor.dim() == 4 and self.channels_last:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor


def _device(wanted: str) -> torch.device:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise Refused(N_("PyTorch finds no CUDA device here."))
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


class TorchRuntime(Runtime):
    """Files of weights; the architecture says everything else."""

    name = "torch"
    formats = frozenset({"state_dict", "safetensors"})

    def __init__(self, architectures: Architectures) -> None:
        self._architectures = architectures

    def completed(self, spec: ModelSpec) -> ModelSpec:
        """Classes and preprocessing from the labels and the architecture where none are given."""
        if spec.takes_texts:
            return spec  # its architecture stands in a file
        architecture = self._architectures.get(spec.architecture)
        classes = spec.num_classes or len(spec.labels) or architecture.num_classes
        preprocessing = spec.preprocessing or architecture.preprocessing
        return replace(spec, num_classes=classes, preprocessing=preprocessing)

    def load(self, spec: ModelSpec, files: Mapping[str, Path], form: Form) -> LoadedModel:
        spec = self.completed(spec)
        torch.set_num_threads(form.threads)
        architecture = self._architecture(spec, files)
        module = _loaded(architecture, spec, read_weights(files[spec.main_file], spec.format))
        return TorchModel(module, spec.signature or _signature(module, spec), Layout.of(form))

    def _architecture(self, spec: ModelSpec, files: Mapping[str, Path]) -> Architecture:
        if spec.takes_texts and not self._architectures.lists(spec.architecture):
            from inference.text_architectures import text_architecture

            return text_architecture(spec, files)
        return self._architectures.get(spec.architecture)


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
    classes = spec.num_classes or len(spec.labels) or architecture.num_classes
    weights = architecture.fitted(weights)
    shapes = building.outline(architecture, classes, spec.options)
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    check_fit(architecture.name, classes, shapes, found)
    module = building.build(architecture, classes, spec.options)
    # Strictness is check_fit's: it forgives counters that old files lack.
    module.load_state_dict(weights, strict=False)
    return architecture.finished(module).float().eval()


def _signature(module: nn.Module, spec: ModelSpec) -> Signature:
    """The module's own `signature`, else what is known before the first run; `sample` then
    records what comes out.
    """
    declared = getattr(module, "signature", None)
    if isinstance(declared, Signature):
        return declared
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


def _named(output: Any, signature: Signature) -> dict[str, torch.Tensor]:
    """A module's answer by name: one tensor, a mapping of them, or a sequence."""
    if isinstance(output, torch.Tensor):
        return {signature.outputs[0].name: output}
    if isinstance(output, Mapping):
        return {str(name): tensor for name, tensor in output.items()}
    return {f"{_OUTPUT}_{index}": tensor for index, tensor in enumerate(output)}


def _array(tensor: torch.Tensor) -> Array:
    """On the host, without bfloat16, which NumPy does not have."""
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().contiguous().numpy()

"""What OpenVINO reads beside ONNX, made alike: named tensors, any batch, channels first.

A file's name says to OpenVINO what it is, and content lies under sums: each file gets the name that
its format has.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import openvino as ov
from openvino.preprocess import PrePostProcessor

from inference.runtimes.folders import make_available, one_folder
from inference.spec import ModelSpec

# The graph's suffix and, where they lie apart, that of the weights.
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "openvino": (".xml", ".bin"),
    "paddle": (".pdmodel", ".pdiparams"),
}
FORMATS = frozenset({"onnx", *_SUFFIXES})
_CHANNELS = (1, 3)


@contextmanager
def laid_out(spec: ModelSpec, files: Mapping[str, Path]) -> Iterator[Path]:
    """A path that OpenVINO reads the version from, while the block lasts."""
    if spec.format == "onnx":
        with one_folder(spec.main_file, files) as path:
            yield path
        return
    with tempfile.TemporaryDirectory(prefix="aihub-model-") as made:
        folder = Path(made)
        graph, *weights = _SUFFIXES[spec.format]
        make_available(files[spec.main_file], folder / f"model{graph}")
        for name, local in files.items():
            if name.endswith(tuple(weights)):
                make_available(local, folder / f"model{Path(name).suffix}")
        yield folder / f"model{graph}"


def made_alike(model: ov.Model, *, takes_images: bool) -> ov.Model:
    """The model with a name for each tensor, any batch where it can, and images as [N, C, H, W]."""
    for number, port in enumerate(model.outputs):
        if not port.get_names():
            port.get_tensor().set_names({f"output_{number}"})
    for number, port in enumerate(model.inputs):
        if not port.get_names():
            port.get_tensor().set_names({f"input_{number}"})
    model = _any_batch(model)
    return _channels_first(model) if takes_images else model


def _any_batch(model: ov.Model) -> ov.Model:
    """Models exported for one item: some then answer N items, others fold them into one."""
    if not all(_first(port) == 1 for port in (*model.inputs, *model.outputs)):
        return model
    opened = model.clone()
    try:
        opened.reshape({n: _opened(port) for n, port in enumerate(opened.inputs)})
    except RuntimeError:
        return model
    return opened if all(_first(port) == -1 for port in opened.outputs) else model


def _opened(port: ov.Output) -> ov.PartialShape:
    return ov.PartialShape([-1, *list(port.get_partial_shape())[1:]])


def _first(port: ov.Output) -> int | None:
    """The length of the first axis, -1 where it is open; None where there is none."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic or not len(shape):
        return None
    return -1 if shape[0].is_dynamic else int(shape[0].get_length())


def _channels_first(model: ov.Model) -> ov.Model:
    """TensorFlow's images have their channels last; the hub's first."""
    if len(model.inputs) != 1 or not _has_channels_last(model.input()):
        return model
    steps = PrePostProcessor(model)
    steps.input().tensor().set_layout(ov.Layout("NCHW"))
    steps.input().model().set_layout(ov.Layout("NHWC"))
    return steps.build()


def _has_channels_last(port: ov.Output) -> bool:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4:
        return False
    return _is_channels(shape[3]) and not _is_channels(shape[1])


def _is_channels(length: ov.Dimension) -> bool:
    return bool(length.is_static and length.get_length() in _CHANNELS)

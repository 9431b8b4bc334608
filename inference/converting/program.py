"""What runs inside the sandbox: reads a program of a framework, writes OpenVINO IR.

`program.py TASK`: the task as JSON, `{format, source, inputs: [{shape, dtype}]}`; leaves
`model.xml` and `model.bin` in the current folder, or `failure.json` with `{kind, error}`. It
imports nothing of the project, which cannot be read from here, and whoever reads what it leaves
trusts none of it.
"""

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

XML, FAILURE = "model.xml", "failure.json"
NEEDS_INPUTS, OUT_OF_MEMORY, FAILED = "inputs", "memory", "failed"
_OF_MEMORY = ("bad_alloc", "not enough memory", "out of memory", "Cannot allocate memory")
ELEMENTS = {
    "BOOL": "boolean",
    "UINT8": "u8",
    "INT8": "i8",
    "INT16": "i16",
    "INT32": "i32",
    "INT64": "i64",
    "FP16": "f16",
    "FP32": "f32",
    "FP64": "f64",
}
_ELEMENTS_OF_TORCH = {
    "torch.bool": "boolean",
    "torch.uint8": "u8",
    "torch.int8": "i8",
    "torch.int16": "i16",
    "torch.int32": "i32",
    "torch.int64": "i64",
    "torch.float16": "f16",
    "torch.bfloat16": "bf16",
    "torch.float32": "f32",
    "torch.float64": "f64",
}


class Unknown(Exception):
    """The program does not say what it takes."""


def convert(task: dict[str, Any]) -> None:
    """Write the IR in FP32 where the source is, whatever precision the device would like."""
    import openvino as ov

    model = _READERS[task["format"]](task)
    ov.save_model(model, XML, compress_to_fp16=False)


def _by_openvino(task: dict[str, Any]) -> Any:
    import openvino as ov

    return ov.Core().read_model(task["source"])


def _torchscript(task: dict[str, Any]) -> Any:
    """Shapes come from the owner: the program itself names none."""
    import openvino as ov
    import torch

    load: Any = torch.jit.load
    module = load(task["source"], map_location="cpu").eval()
    inputs = [_port(value) for value in task["inputs"]]
    arguments = list(module.forward.schema.arguments)[1:]
    required = [argument for argument in arguments if not argument.has_default_value()]
    if not inputs or not len(required) <= len(inputs) <= len(arguments):
        raise Unknown(str(len(required)))
    return _shaped(ov.convert_model(module, input=inputs), inputs)


def _shaped(model: Any, inputs: list[Any]) -> Any:
    """Of a scripted module the converter forgets what it was told of the inputs."""
    for parameter, (shape, element) in zip(model.get_parameters(), inputs, strict=False):
        parameter.set_partial_shape(shape)
        parameter.set_element_type(element)
    model.validate_nodes_and_infer_types()
    return model


def _port(value: dict[str, Any]) -> Any:
    import openvino as ov

    return ov.PartialShape(value["shape"]), getattr(ov.Type, ELEMENTS[value["dtype"]])


def _torch_export(task: dict[str, Any]) -> Any:
    """The archive says itself what it takes; the converter forgets the lengths of axes."""
    import openvino as ov
    import torch

    exported = torch.export.load(task["source"])
    inputs = [_port(value) for value in task["inputs"]] or _exported_inputs(exported)
    return _shaped(ov.convert_model(exported), inputs)


def _exported_inputs(exported: Any) -> list[Any]:
    """Shape and type of each input that the graph takes from its caller."""
    import openvino as ov

    wanted = set(exported.graph_signature.user_inputs)
    nodes = (node for node in exported.graph.nodes if node.op == "placeholder")
    values = [node.meta["val"] for node in nodes if node.name in wanted]
    return [
        (
            ov.PartialShape([length if isinstance(length, int) else -1 for length in value.shape]),
            getattr(ov.Type, _ELEMENTS_OF_TORCH[str(value.dtype)]),
        )
        for value in values
        if hasattr(value, "shape")
    ]


_READERS = {
    "saved_model": _by_openvino,
    "tflite": _by_openvino,
    "torchscript": _torchscript,
    "torch_export": _torch_export,
}


def _kind(error: BaseException) -> str:
    if isinstance(error, Unknown):
        return NEEDS_INPUTS
    text = f"{type(error).__name__}: {error}"
    is_memory = isinstance(error, MemoryError) or any(word in text for word in _OF_MEMORY)
    return OUT_OF_MEMORY if is_memory else FAILED


def _told(error: BaseException) -> str:
    """The line of an exception that says most: frameworks print whole graphs with theirs."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "rror" in line or "not " in line]
    return f"{type(error).__name__}: {(named or lines or [''])[-1]}"[:500]


def main() -> int:
    """0 where the model was written."""
    task = json.loads(sys.argv[1])
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            convert(task)
    except BaseException as error:
        Path(FAILURE).write_text(json.dumps({"kind": _kind(error), "error": _told(error)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

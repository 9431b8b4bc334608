"""One small real model in each format that OpenVINO reads: softmax(x · W + b) of 4 floats.

TensorFlow and PaddlePaddle are too large to install for it: their files are written here field by
field, as their schemas say.
"""

import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import flatbuffers
import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

Floats = npt.NDArray[np.float32]
WEIGHTS: Floats = np.random.default_rng(7).standard_normal((4, 3)).astype(np.float32)
BIAS: Floats = np.array([0.5, -0.25, 0.1], np.float32)


def expected(x: Floats) -> Floats:
    """What every one of them answers."""
    return softmax(x @ WEIGHTS + BIAS)


def softmax(scores: Floats) -> Floats:
    powers = np.exp(scores)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def linear_files(format: str, folder: Path) -> Mapping[str, Path]:
    """The files of the linear model in a format, by their paths in a version."""
    made = {
        "openvino": lambda: ir_files(folder),
        "tflite": lambda: {"linear.tflite": linear_tflite(folder)},
        "saved_model": lambda: {"linear.zip": saved_model(folder)},
        "paddle": lambda: paddle_files(folder),
    }
    return made[format]()


# --- OpenVINO ---


def ir_files(folder: Path) -> Mapping[str, Path]:
    x = ops.parameter([-1, 4], np.float32, name="x")
    answer = ops.softmax(ops.add(ops.matmul(x, WEIGHTS, False, False), BIAS), 1)
    ov.save_model(ov.Model([answer], [x]), folder / "linear.xml", compress_to_fp16=False)
    return {name: folder / name for name in ("linear.xml", "linear.bin")}


# --- TensorFlow Lite: flatbuffers, tables by field number ---

Fields = Mapping[int, tuple[str, int]]
FLOAT_TYPE, INT_TYPE = 0, 2
FULLY_CONNECTED, SOFTMAX, MEAN, RESHAPE = 9, 25, 40, 22
OPTIONS = {FULLY_CONNECTED: 8, SOFTMAX: 9, MEAN: 27, RESHAPE: 17}


def linear_tflite(folder: Path) -> Path:
    """Exported for one item, as the converter does."""
    tensors = [
        ("x", [1, 4], None),
        ("w", [3, 4], np.ascontiguousarray(WEIGHTS.T)),
        ("b", [3], BIAS),
        ("scores", [1, 3], None),
        ("y", [1, 3], None),
    ]
    steps = [(FULLY_CONNECTED, [0, 1, 2], [3]), (SOFTMAX, [3], [4])]
    return _tflite(folder / "linear.tflite", tensors, steps)


def colours_tflite(folder: Path) -> Path:
    """An image classifier, channels last: which channel of [1, 8, 8, 3] is the brightest."""
    tensors = [
        ("image", [1, 8, 8, 3], None),
        ("axes", [2], np.array([1, 2], np.int32)),
        ("means", [1, 3], None),
        ("y", [1, 3], None),
    ]
    return _tflite(folder / "colours.tflite", tensors, [(MEAN, [0, 1], [2]), (SOFTMAX, [2], [3])])


def folding_tflite(folder: Path) -> Path:
    """A model that takes one item only: it would fold more of them into one."""
    tensors = [
        ("x", [1, 4], None),
        ("shape", [3], np.array([1, -1, 2], np.int32)),
        ("y", [1, 2, 2], None),
    ]
    return _tflite(folder / "folding.tflite", tensors, [(RESHAPE, [0, 1], [2])])


def _tflite(
    path: Path,
    tensors: Sequence[tuple[str, list[int], npt.NDArray[np.generic] | None]],
    steps: Sequence[tuple[int, list[int], list[int]]],
) -> Path:
    b = flatbuffers.Builder(0)
    buffers = [_table(b, {})]
    described = []
    for name, shape, values in tensors:
        number = 0
        if values is not None:
            number = len(buffers)
            data = b.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
            buffers.append(_table(b, {0: ("UOffsetTRelative", data)}))
        fields = {
            0: ("UOffsetTRelative", b.CreateNumpyVector(np.array(shape, np.int32))),
            1: ("Int8", FLOAT_TYPE if values is None or values.dtype.kind == "f" else INT_TYPE),
            2: ("Uint32", number),
            3: ("UOffsetTRelative", b.CreateString(name)),
        }
        described.append(_table(b, fields))
    codes = [_table(b, {0: ("Int8", op), 2: ("Int32", 1), 3: ("Int32", op)}) for op, *_ in steps]
    operators = [_operator(b, n, *step) for n, step in enumerate(steps)]
    graph = {
        0: ("UOffsetTRelative", _tables(b, described)),
        1: ("UOffsetTRelative", b.CreateNumpyVector(np.array([0], np.int32))),
        2: ("UOffsetTRelative", b.CreateNumpyVector(np.array([len(tensors) - 1], np.int32))),
        3: ("UOffsetTRelative", _tables(b, operators)),
    }
    graphs = _tables(b, [_table(b, graph)])
    model = {
        0: ("Uint32", 3),
        1: ("UOffsetTRelative", _tables(b, codes)),
        2: ("UOffsetTRelative", graphs),
        4: ("UOffsetTRelative", _tables(b, buffers)),
    }
    b.Finish(_table(b, model), file_identifier=b"TFL3")
    path.write_bytes(bytes(b.Output()))
    return path


def _operator(
    b: flatbuffers.Builder, number: int, op: int, inputs: list[int], outputs: list[int]
) -> int:
    options = _table(b, {0: ("Float32", 1.0)} if op == SOFTMAX else {})  # type: ignore[dict-item]
    fields = {
        0: ("Uint32", number),
        1: ("UOffsetTRelative", b.CreateNumpyVector(np.array(inputs, np.int32))),
        2: ("UOffsetTRelative", b.CreateNumpyVector(np.array(outputs, np.int32))),
        3: ("Uint8", OPTIONS[op]),
        4: ("UOffsetTRelative", options),
    }
    return _table(b, fields)


def _table(b: flatbuffers.Builder, fields: Fields) -> int:
    """A table whose fields are (kind, value) by number."""
    b.StartObject(8)
    for number, (kind, value) in fields.items():
        getattr(b, f"Prepend{kind}")(value)
        b.Slot(number)
    return int(b.EndObject())


def _tables(b: flatbuffers.Builder, tables: Sequence[int]) -> int:
    b.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        b.PrependUOffsetTRelative(table)
    return int(b.EndVector())


# --- TensorFlow SavedModel and PaddlePaddle: protobuf, fields by number ---


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _part(field: int, *content: bytes | str) -> bytes:
    data = b"".join(c.encode() if isinstance(c, str) else c for c in content)
    return _varint(field << 3 | 2) + _varint(len(data)) + data


TF_FLOAT = 1


def _tf_shape(*shape: int) -> bytes:
    return b"".join(_part(2, _whole(1, length)) for length in shape)


def _tf_attribute(name: str, value: bytes) -> bytes:
    return _part(5, _part(1, name), _part(2, value))


def _tf_node(name: str, op: str, inputs: Sequence[str] = (), *attributes: bytes) -> bytes:
    given = b"".join(_part(3, i) for i in inputs) + b"".join(attributes)
    return _part(1, _part(1, name), _part(2, op), given)


def _tf_constant(name: str, values: Floats) -> bytes:
    shape = _part(2, _tf_shape(*values.shape))
    tensor = _whole(1, TF_FLOAT) + shape + _part(4, values.tobytes())
    kind = _tf_attribute("dtype", _whole(6, TF_FLOAT))
    return _tf_node(name, "Const", (), kind, _tf_attribute("value", _part(8, tensor)))


def _tf_tensor(name: str, *shape: int) -> bytes:
    return _part(1, name) + _whole(2, TF_FLOAT) + _part(3, _tf_shape(*shape))


def saved_model_graph() -> bytes:
    """`saved_model.pb`, its variables frozen into constants."""
    of_floats = _tf_attribute("T", _whole(6, TF_FLOAT))
    dtype = _tf_attribute("dtype", _whole(6, TF_FLOAT))
    shape = _tf_attribute("shape", _part(7, _tf_shape(-1, 4)))
    nodes = (
        _tf_node("serving_default_x", "Placeholder", (), dtype, shape),
        _tf_constant("w", WEIGHTS),
        _tf_constant("b", BIAS),
        _tf_node("product", "MatMul", ("serving_default_x", "w"), of_floats),
        _tf_node("scores", "AddV2", ("product", "b"), of_floats),
        _tf_node("answer", "Softmax", ("scores",), of_floats),
    )
    inputs = _part(1, _part(1, "x"), _part(2, _tf_tensor("serving_default_x:0", -1, 4)))
    outputs = _part(2, _part(1, "y"), _part(2, _tf_tensor("answer:0", -1, 3)))
    signature = inputs + outputs + _part(3, "tensorflow/serving/predict")
    graph = b"".join(nodes) + _part(4, _whole(1, 1000))
    named = _part(5, _part(1, "serving_default"), _part(2, signature))
    return _whole(1, 1) + _part(2, _part(1, _part(4, "serve")), _part(2, graph), named)


def as_tar(archive: Path, path: Path) -> Path:
    """A zip archive's files as a tar archive, gzipped where the name says so."""
    mode = "w:gz" if path.name.endswith("gz") else "w"
    with (
        zipfile.ZipFile(archive) as source,
        tarfile.open(path, mode) as target,  # type: ignore[call-overload]
    ):
        for info in source.infolist():
            if not info.is_dir():
                member = tarfile.TarInfo(info.filename)
                member.size = info.file_size
                target.addfile(member, source.open(info))
    return path


def saved_model(folder: Path) -> Path:
    """The folder in an archive, with entries for folders as `zip -r` writes them."""
    path = folder / "linear.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("linear/", "linear/assets/", "linear/variables/"):
            archive.writestr(zipfile.ZipInfo(name), b"")
        archive.writestr("linear/saved_model.pb", saved_model_graph())
    return path


PADDLE_FLOAT, PADDLE_TENSOR, PADDLE_FEED, PADDLE_FETCH = 5, 7, 9, 10
PADDLE_INT, PADDLE_BOOLEAN = 0, 6  # of attributes


def _paddle_description(shape: Sequence[int]) -> bytes:
    return _whole(1, PADDLE_FLOAT) + b"".join(_whole(2, length) for length in shape)


def _paddle_variable(name: str, shape: Sequence[int], persistable: bool = False) -> bytes:
    tensor = _part(3, _part(1, _paddle_description(shape)))
    kind = _part(2, _whole(1, PADDLE_TENSOR), tensor)
    return _part(3, _part(1, name), kind, _whole(3, persistable))


def _paddle_op(
    kind: str, inputs: Mapping[str, str], outputs: Mapping[str, str], *attributes: bytes
) -> bytes:
    given = b"".join(_part(1, _part(1, k), _part(2, v)) for k, v in inputs.items())
    made = b"".join(_part(2, _part(1, k), _part(2, v)) for k, v in outputs.items())
    return _part(4, given, made, _part(3, kind), *attributes)


def _paddle_number(name: str, value: int) -> bytes:
    return _part(4, _part(1, name), _whole(2, PADDLE_INT), _whole(3, value))


def _paddle_boolean(name: str, value: bool) -> bytes:
    return _part(4, _part(1, name), _whole(2, PADDLE_BOOLEAN), _whole(10, value))


def _paddle_program() -> bytes:
    block = [
        *(_whole(1, 0), _whole(2, -1)),
        _part(3, _part(1, "feed"), _part(2, _whole(1, PADDLE_FEED)), _whole(3, True)),
        _part(3, _part(1, "fetch"), _part(2, _whole(1, PADDLE_FETCH)), _whole(3, True)),
        _paddle_variable("x", (-1, 4)),
        _paddle_variable("a_weights", WEIGHTS.shape, True),
        _paddle_variable("b_bias", BIAS.shape, True),
        _paddle_variable("product", (-1, 3)),
        _paddle_variable("scores", (-1, 3)),
        _paddle_variable("y", (-1, 3)),
        _paddle_op("feed", {"X": "feed"}, {"Out": "x"}, _paddle_number("col", 0)),
        _paddle_op(
            "matmul_v2",
            {"X": "x", "Y": "a_weights"},
            {"Out": "product"},
            _paddle_boolean("trans_x", False),
            _paddle_boolean("trans_y", False),
        ),
        _paddle_op(
            "elementwise_add",
            {"X": "product", "Y": "b_bias"},
            {"Out": "scores"},
            _paddle_number("axis", -1),
        ),
        _paddle_op("softmax", {"X": "scores"}, {"Out": "y"}, _paddle_number("axis", -1)),
        _paddle_op("fetch", {"X": "y"}, {"Out": "fetch"}, _paddle_number("col", 0)),
    ]
    return _part(1, *block) + _part(4, _whole(1, 0))


def paddle_weights(*tensors: Floats) -> bytes:
    """Tensors as a `.pdiparams` holds them: in the order of their names."""
    data = b""
    for tensor in tensors:
        described = _paddle_description(tensor.shape)
        data += struct.pack("<IQII", 0, 0, 0, len(described)) + described + tensor.tobytes()
    return data


def paddle_files(folder: Path) -> Mapping[str, Path]:
    program, weights = folder / "linear.pdmodel", folder / "linear.pdiparams"
    program.write_bytes(_paddle_program())
    weights.write_bytes(paddle_weights(WEIGHTS, BIAS))
    return {path.name: path for path in (program, weights)}

"""Builders of hostile and broken model files, byte by byte, without torch.

Every payload would create the file `canary`; a test that finds it there has run foreign code.
"""

import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LEGACY_HEAD = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number
    b"\x80\x02M\xe9\x03."  # the protocol, 1001
    b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."
)
EMPTY_PICKLE = b"\x80\x02}."


class Payload:
    """Pickles as a call of any function, as exploits do."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> Any:
        return self._call


def shell(canary: Path) -> bytes:
    """A pickle that runs a shell command."""
    return pickle.dumps({"weight": Payload(os.system, f"touch '{canary}'")}, protocol=2)


def evaluates(canary: Path) -> bytes:
    """A pickle that evaluates Python."""
    return pickle.dumps(Payload(eval, f"open({str(canary)!r}, 'w')"), protocol=2)


def malicious_zip(path: Path, canary: Path, payload: bytes | None = None) -> Path:
    """torch's zip container around a pickle that runs a command."""
    return torch_zip(path, payload or shell(canary), {})


def malicious_legacy(path: Path, canary: Path, payload: bytes | None = None) -> Path:
    """torch's container before 1.6 around a pickle that runs a command."""
    return torch_legacy(path, payload or shell(canary), {})


def malicious_raw(path: Path, canary: Path) -> Path:
    """A plain pickle that runs a command."""
    return _write(path, shell(canary))


def malicious_legacy_keys(path: Path, canary: Path) -> Path:
    """A legacy container whose weights are clean, but not the pickle of keys behind them."""
    weights = state_dict(tensor("0", 1, (1,), (1,), legacy=True))
    return _write(path, LEGACY_HEAD + weights + shell(canary) + struct.pack("<qf", 1, 1.0))


def whole_module(path: Path) -> Path:
    """What torch.save(model) writes for a model of the owner's own class."""
    return torch_zip(path, b"\x80\x02cmy_project.networks\nResNet\n)\x81}b.", {})


def stride_bomb(path: Path, *, legacy: bool = False) -> Path:
    """One stored float that is said to be a tensor of 10^10, by a stride of 0."""
    value = tensor("0", 1, (100_000, 100_000), (0, 0), legacy=legacy)
    return torch_file(path, value, legacy=legacy)


def torch_file(path: Path, value: bytes, *, legacy: bool = False) -> Path:
    """A state_dict of one tensor over one stored float, described by `value`."""
    build = torch_legacy if legacy else torch_zip
    return build(path, state_dict(value), {"0": struct.pack("<f", 1.0)})


def memo_bomb(path: Path) -> Path:
    """A pickle that asks for the memo slot 2^31, for which Python's reader allocates gigabytes."""
    return torch_zip(path, b"\x80\x02}r\xff\xff\xff\x7f.", {})


def zip_bomb(path: Path) -> Path:
    """An archive whose weights unpack to a thousand times their size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", state_dict(tensor("0", 1 << 22, (1 << 22,), (1,))))
        archive.writestr("archive/data/0", bytes(4 << 22))
    return path


def truncated_zip(path: Path) -> Path:
    """A copy of a good file that stopped half-way."""
    torch_file(path, tensor("0", 1, (1,), (1,)))
    return _write(path, path.read_bytes()[:-100])


def text_file(path: Path) -> Path:
    """Prose under a model's name."""
    return _write(path, "Bitte die Gewichte später einfügen. 稍后放入权重。\n".encode() * 200)


def onnx_external(path: Path, location: str, *, offset: int = 0, length: int = 16) -> Path:
    """An ONNX model that adds four floats to its input, kept in another file."""
    from onnx import TensorProto

    weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    for key, value in entries.items():
        weight.external_data.add(key=key, value=value)
    return _write(path, onnx_model(weight).SerializeToString())


def onnx_model(weight: Any, *, operator: str = "Add", domain: str = "") -> Any:
    """A model of one operator on an input `x` of four floats and a weight."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    node = helper.make_node(operator, ["x", weight.name], ["y"], domain=domain)
    graph = helper.make_graph([node], "graph", values[:1], values[1:], [weight])
    opsets = [helper.make_opsetid("", 17)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def tensor(
    key: str,
    stored: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int = 0,
    *,
    legacy: bool = False,
) -> bytes:
    """The pickle of a float tensor that views a storage of `stored` elements."""
    name = _text("storage"), b"ctorch\nFloatStorage\n", _text(key), _text("cpu")
    identity = _tuple(*name, _number(stored), b"N" if legacy else b"")
    sizes = (_tuple(*map(_number, numbers)) for numbers in (shape, stride))
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = _tuple(identity + b"Q", _number(offset), *sizes, b"\x89", hooks)
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def state_dict(value: bytes, name: str = "weight") -> bytes:
    """The pickle of an OrderedDict of one value."""
    return b"\x80\x02ccollections\nOrderedDict\n)R" + _text(name) + value + b"s."


def torch_zip(path: Path, pickled: bytes, data: Mapping[str, bytes]) -> Path:
    """torch's zip container."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, stored in data.items():
            archive.writestr(f"archive/data/{key}", stored)
        archive.writestr("archive/version", "3\n")
    return path


def torch_legacy(path: Path, pickled: bytes, data: Mapping[str, bytes]) -> Path:
    """torch's container before 1.6, of storages of floats."""
    stored = b"".join(struct.pack("<q", len(value) // 4) + value for value in data.values())
    keys = pickle.dumps(list(data), protocol=2)
    return _write(path, LEGACY_HEAD + pickled + keys + stored)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _number(value: int) -> bytes:
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"

"""Safetensors: header and bytes must agree to the byte."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from registry.refusals import Refused
from registry.scanning import Report, TensorInfo, scan


def examine(path: Path) -> Report:
    return scan(path, "safetensors", siblings={})


def written(path: Path, header: Any, stored: int = 8) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(stored))
    return path


def entry(begin: Any, end: Any, shape: Any = (1,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_real_files_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    weights = {
        "module.a": np.ones((2, 3), np.float32),
        "module.b": np.ones((), np.float16),
        "module.none": np.ones((0, 5), np.int8),
    }
    save_file(weights, path, metadata={"format": "pt"})

    assert examine(path).tensors == {
        "a": TensorInfo("float32", (2, 3)),
        "b": TensorInfo("float16", ()),
        "none": TensorInfo("int8", (0, 5)),
    }


def test_two_tensors_side_by_side_pass(tmp_path: Path) -> None:
    path = written(tmp_path / "m", {"b": entry(4, 8), "a": entry(0, 4)})

    assert set(examine(path).tensors) == {"a", "b"}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"a": entry(0, 4), "b": entry(0, 4)}, "overlaps"),
        ({"a": entry(0, 4), "b": entry(2, 6)}, "overlaps"),
        ({"a": entry(4, 8)}, "hole"),
        ({"a": entry(0, 4)}, "4 bytes follow"),
        ({"a": entry(0, 12, [3])}, "ends early"),
        ({"a": entry(0, 8)}, "should take 4 bytes"),
        ({"a": entry(8, 4)}, "should take"),
        ({"a": entry(0, 8, [-2])}, "wrongly"),
        ({"a": entry(0, 8, [2.0])}, "wrongly"),
        ({"a": entry(0, 4, [True])}, "wrongly"),
        ({"a": entry(0, 8, [1 << 63, 0])}, "wrongly"),
        ({"a": entry(0, 8, [1] * 65)}, "wrongly"),
        ({"a": {**entry(0, 4), "code": "x"}}, "wrongly"),
        ({"a": [0, 4]}, "wrongly"),
        ({"a": entry(0, 8, [2], "Q4")}, "type Q4"),
        ({"__metadata__": {}}, "no tensors"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"\\ud800": 1}', "cannot be read"),
        (b'{"a": ', "cannot be read"),
        (b'{"a": "\xff"}', "cannot be read"),
        (b'{"a":' + b"[" * 100_000, "cannot be read"),
        (b'{"a":' + b"9" * 5_000 + b"}", "cannot be read"),
    ],
)
def test_what_does_not_agree_is_refused(tmp_path: Path, header: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        examine(written(tmp_path / "m", header))


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(struct.pack("<Q", 1000) + b"{}")

    with pytest.raises(Refused, match="ends early"):
        examine(path)


def test_an_immense_header_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(struct.pack("<Q", 1 << 31) + b"{}")

    with pytest.raises(Refused, match="too large"):
        examine(path)

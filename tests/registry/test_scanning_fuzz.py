"""Whatever the bytes: the scanners refuse or accept, and never fail otherwise."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import numpy_helper
from safetensors.numpy import save_file

from registry.refusals import Refused
from registry.scanning import identify, peek, scan
from tests import hostile

quick = settings(
    max_examples=300,
    deadline=2000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.binary(max_size=6)),
    min_size=1,
    max_size=6,
)
formats = pytest.mark.parametrize("name", ["zip", "legacy", "safetensors", "onnx"])


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    weights = {"a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.int8)}
    torch.save(weights, folder / "zip")
    torch.save(weights, folder / "legacy", _use_new_zipfile_serialization=False)
    save_file({"a": np.ones(3, np.float32)}, folder / "safetensors")
    model = hostile.onnx_model(numpy_helper.from_array(np.ones(4, np.float32), "weight"))
    (folder / "onnx").write_bytes(model.SerializeToString())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def examine(path: Path, content: bytes, *formats: str) -> None:
    path.write_bytes(content)
    with suppress(Refused):
        peek("model", content[:65536], content[-65536:], len(content))
    with suppress(Refused):
        formats = (*formats, identify(path))
    for each in formats:
        with suppress(Refused):
            scan(path, each, siblings={})


def mutated(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for where, removed, added in changes:
        place = int(where * len(content))
        content = content[:place] + added + content[place + removed :]
    return content


@formats
@quick
@given(changes=mutations)
def test_mutated_files_are_refused_or_pass(
    tmp_path: Path, originals: dict[str, bytes], name: str, changes: list[tuple[float, int, bytes]]
) -> None:
    format_ = {"zip": "state_dict", "legacy": "state_dict"}.get(name, name)

    examine(tmp_path / "model", mutated(originals[name], changes), format_)


@formats
@quick
@given(where=st.floats(0, 1), kept=st.booleans())
def test_parts_of_files_are_refused_or_pass(
    tmp_path: Path, originals: dict[str, bytes], name: str, where: float, kept: bool
) -> None:
    content = originals[name]
    place = int(where * len(content))

    examine(tmp_path / "model", content[:place] if kept else content[place:])


@quick
@given(content=st.binary(max_size=2000))
def test_random_bytes_are_refused_or_pass(tmp_path: Path, content: bytes) -> None:
    examine(tmp_path / "model", content, "state_dict", "safetensors", "onnx")


@quick
@given(pickled=st.binary(max_size=200))
def test_random_pickles_are_refused_or_pass(tmp_path: Path, pickled: bytes) -> None:
    path = tmp_path / "model"
    for build in (hostile.torch_zip, hostile.torch_legacy):
        build(path, b"\x80\x02" + pickled + b".", {})
        examine(path, path.read_bytes(), "state_dict")


@quick
@given(changes=mutations)
def test_mutated_pickles_are_refused_or_pass(
    tmp_path: Path, changes: list[tuple[float, int, bytes]]
) -> None:
    path = tmp_path / "model"
    pickled = hostile.state_dict(hostile.tensor("0", 1, (1,), (1,)))
    hostile.torch_zip(path, mutated(pickled, changes), {"0": bytes(4)})

    examine(path, path.read_bytes(), "state_dict")

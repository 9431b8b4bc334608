"""ONNX: known operators, weights where the model says they are, nothing outside of the version."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from registry.refusals import Refused
from registry.scanning import Report, TensorInfo, identify, scan
from tests import hostile


def examine(path: Path, **siblings: Path) -> Report:
    return scan(path, "onnx", siblings={f"{name}.bin": file for name, file in siblings.items()})


def written(path: Path, model: Any) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def weight(values: Any = (1, 2, 3, 4), kind: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.array(values, kind), "weight")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(16))
    return path


def test_a_small_model_passes(tmp_path: Path) -> None:
    path = written(tmp_path / "model.onnx", hostile.onnx_model(weight()))

    report = examine(path)

    assert report.tensors == {"weight": TensorInfo("float32", (4,))}
    assert report.findings[0].values == {"count": 1}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_exported_network_passes(tmp_path: Path) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    ).eval()
    path = tmp_path / "model.onnx"
    torch.onnx.export(network, (torch.ones(1, 3, 8, 8),), path, dynamo=False)

    assert identify(path) == "onnx"
    assert (4, 3, 3, 3) in {tensor.shape for tensor in examine(path).tensors.values()}


def test_weights_kept_as_numbers_pass(tmp_path: Path) -> None:
    values = helper.make_tensor("weight", TensorProto.FLOAT16, [4], [1, 2, 3, 4])

    path = written(tmp_path / "model.onnx", hostile.onnx_model(values))

    assert examine(path).tensors == {"weight": TensorInfo("float16", (4,))}


def test_four_bit_weights_pass(tmp_path: Path) -> None:
    model = hostile.onnx_model(helper.make_tensor("weight", TensorProto.INT4, [3], [1, 2, 3]))

    assert examine(written(tmp_path / "m", model)).tensors == {"weight": TensorInfo("int4", (3,))}


def test_operators_of_the_runtime_itself_pass(tmp_path: Path) -> None:
    model = hostile.onnx_model(weight(), operator="BiasGelu", domain="com.microsoft")

    assert examine(written(tmp_path / "m", model))


def test_external_data_among_the_siblings_passes(tmp_path: Path, data: Path) -> None:
    path = hostile.onnx_external(tmp_path / "model.onnx", "weights.bin")

    assert examine(path, weights=data).tensors == {"weight": TensorInfo("float32", (4,))}


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "a/../weights.bin", "..\\weights.bin", "", "x"]
)
def test_external_data_outside_of_the_version_is_refused(
    tmp_path: Path, data: Path, location: str
) -> None:
    path = hostile.onnx_external(tmp_path / "model.onnx", location)

    with pytest.raises(Refused, match="outside of the version"):
        examine(path, weights=data)


def test_external_data_through_a_link_is_refused(tmp_path: Path, data: Path) -> None:
    link = tmp_path / "link.bin"
    link.symlink_to(data)
    path = hostile.onnx_external(tmp_path / "model.onnx", "weights.bin")

    with pytest.raises(Refused, match="outside of the version"):
        examine(path, weights=link)


@pytest.mark.parametrize(("offset", "length"), [(4, 16), (1 << 50, 16)])
def test_external_data_beyond_the_end_is_refused(
    tmp_path: Path, data: Path, offset: int, length: int
) -> None:
    path = hostile.onnx_external(tmp_path / "model.onnx", "weights.bin", offset=offset)

    with pytest.raises(Refused, match="beyond the end"):
        examine(path, weights=data)


@pytest.mark.parametrize(("offset", "length"), [(-1, 16), (0, 8), (0, 1 << 90)])
def test_external_data_of_impossible_size_is_refused(
    tmp_path: Path, data: Path, offset: int, length: int
) -> None:
    path = hostile.onnx_external(
        tmp_path / "model.onnx", "weights.bin", offset=offset, length=length
    )

    with pytest.raises(Refused):
        examine(path, weights=data)


@pytest.mark.parametrize("domain", ["my.company", "ai.onnx.training", "com.microsoft.extensions"])
def test_operators_that_need_code_are_refused(tmp_path: Path, domain: str) -> None:
    model = hostile.onnx_model(weight(), operator="RunPython", domain=domain)

    with pytest.raises(Refused, match=f"RunPython of the domain {domain}"):
        examine(written(tmp_path / "m", model))


def test_a_node_that_points_to_other_files_is_refused(tmp_path: Path) -> None:
    model = hostile.onnx_model(weight(), operator="EPContext", domain="com.microsoft")

    with pytest.raises(Refused, match="EPContext"):
        examine(written(tmp_path / "m", model))


def test_operators_hidden_in_an_inner_graph_are_refused(tmp_path: Path) -> None:
    inner = hostile.onnx_model(weight(), operator="Evil", domain="my.company").graph
    model = hostile.onnx_model(weight())
    branch = model.graph.node.add(op_type="If", input=["x"], output=["z"])
    branch.attribute.append(helper.make_attribute("then_branch", inner))

    with pytest.raises(Refused, match="Evil"):
        examine(written(tmp_path / "m", model))


def test_external_data_hidden_in_a_constant_is_refused(tmp_path: Path) -> None:
    outside = hostile.onnx_external(tmp_path / "other", "/etc/passwd")
    hidden = onnx.load(outside, load_external_data=False).graph.initializer[0]
    model = hostile.onnx_model(weight())
    constant = model.graph.node.add(op_type="Constant", output=["z"])
    constant.attribute.append(helper.make_attribute("value", hidden))

    with pytest.raises(Refused, match="/etc/passwd"):
        examine(written(tmp_path / "m", model))


@pytest.mark.parametrize(
    ("dims", "kind", "reason"),
    [
        ([1 << 40], 1, "but 16 are stored"),
        ([3], 1, "should take 12 bytes"),
        ([-4], 1, "impossible"),
        ([4], 0, "impossible"),
        ([4], 99, "impossible"),
        ([1] * 65, 1, "impossible"),
    ],
)
def test_weights_that_claim_other_than_stored_are_refused(
    tmp_path: Path, dims: list[int], kind: int, reason: str
) -> None:
    values = weight()
    values.dims[:] = dims
    values.data_type = kind

    with pytest.raises(Refused, match=reason):
        examine(written(tmp_path / "m", hostile.onnx_model(values)))


def test_sparse_weights_are_refused(tmp_path: Path) -> None:
    model = hostile.onnx_model(weight())
    model.graph.sparse_initializer.add(dims=[1 << 40])

    with pytest.raises(Refused, match="sparse"):
        examine(written(tmp_path / "m", model))


def with_functions(bodies: dict[str, list[str]]) -> Any:
    """A model that calls the first of functions, each of which calls others."""
    model = hostile.onnx_model(weight(), operator=next(iter(bodies)), domain="own")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, calls in bodies.items():
        steps = [helper.make_node("Add", ["a", "b"], ["v0"])]
        steps += [
            helper.make_node(call, [f"v{i}", "b"], [f"v{i + 1}"], domain="own")
            for i, call in enumerate(calls)
        ]
        outputs = [f"v{len(calls)}"]
        model.functions.append(
            helper.make_function("own", name, ["a", "b"], outputs, steps, opsets)
        )
    return model


def test_a_function_of_the_model_itself_is_no_foreign_operator(tmp_path: Path) -> None:
    assert examine(written(tmp_path / "m", with_functions({"f": ["g"], "g": []})))


def test_functions_that_multiply_are_refused(tmp_path: Path) -> None:
    bodies = {f"f{i}": [f"f{i + 1}"] * 4 for i in range(20)} | {"f20": []}

    with pytest.raises(Refused, match="1000000 operators"):
        examine(written(tmp_path / "m", with_functions(bodies)))


def test_functions_in_a_circle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="calls itself"):
        examine(written(tmp_path / "m", with_functions({"f": ["g"], "g": ["f"]})))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda model: model.ClearField("graph"), "no computation"),
        (lambda model: model.graph.ClearField("node"), "no computation"),
        (lambda model: model.graph.ClearField("input"), "no input"),
        (lambda model: model.graph.ClearField("output"), "no output"),
        (lambda model: model.ClearField("opset_import"), "not valid"),
        (lambda model: model.graph.node[0].input.__setitem__(0, "missing"), "not valid"),
    ],
)
def test_an_incomplete_model_is_refused(
    tmp_path: Path, spoil: Callable[[Any], None], reason: str
) -> None:
    model = hostile.onnx_model(weight())
    spoil(model)

    with pytest.raises(Refused, match=reason):
        examine(written(tmp_path / "m", model))


def test_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"\x08\x08\x3a\x05\xff\xff\xff\xff\xff")

    with pytest.raises(Refused, match="damaged"):
        examine(path)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "model.onnx", hostile.onnx_model(weight()))
    path.write_bytes(path.read_bytes().replace(b"weight", b"w\x80ight"))
    with pytest.raises(Refused, match="damaged"):
        examine(path)

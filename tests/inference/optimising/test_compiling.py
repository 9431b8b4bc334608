"""Compiling for real: exports, INT8, pruning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from inference.runtimes import runtime_named
from inference.runtimes.base import Form
from inference.spec import FileRef, VariantSpec
from tests.inference import samples
from tests.inference.optimising import making


@pytest.mark.slow
def test_real_weights_in_every_form(tmp_path: Path) -> None:
    task = making.lite0(tmp_path, done=frozenset({"torch-bf16"}), seconds=0.3)
    found = making.compiled(task)
    assert list(found) == ["torch-fp32", "openvino-bf16", "openvino-fp32", "onnxruntime-fp32"]
    reference = found["torch-fp32"]
    assert (reference.reference, reference.agreement, reference.max_difference) == (True, 1, 0)
    for result in found.values():
        assert (result.state, result.reason) == ("ready", None)
        assert (result.inputs, result.inputs_from) == (200, "photographs")
        assert result.decided >= 100
        assert result.agreement is not None
        assert result.agreement >= 0.98
        assert result.memory >= result.size > 10**7
        assert (result.rate_8 or 0) > 0
    for name in ("openvino-fp32", "onnxruntime-fp32"):
        assert (found[name].max_difference or 0) < 1e-3


def test_int8_is_calibrated_on_the_owners_pictures(tmp_path: Path) -> None:
    pictures = making.digit_pictures(tmp_path, 100)
    found = making.compiled(making.digits(tmp_path, samples=pictures))
    for name in ("openvino-int8", "onnxruntime-int8"):
        assert found[name].reason is None
        assert (found[name].inputs, found[name].inputs_from) == (200, "owner")
        assert (found[name].agreement or 0) >= 0.98
    held = [r.file for r in found.values() if r.file and r.precision == "int8"]
    assert {node.op_type for node in onnx.load(held[0]).graph.node} >= {"QuantizeLinear"}


def test_a_derived_file_serves_as_the_pool_loads_it(tmp_path: Path) -> None:
    task = making.digits(tmp_path)
    result = making.compiled(task)["openvino-fp32"]
    assert result.file
    files = (FileRef("model.onnx", "", "", result.size),)
    variant = VariantSpec(result.name, result.runtime, result.precision, files=files)
    spec = task.spec.in_form(variant)
    model = runtime_named(variant.runtime, ()).load(spec, {"model.onnx": result.file}, Form(1))
    expected = runtime_named("torch", making.ARCHITECTURES).load(task.spec, task.files, Form(1))
    for batch in (1, 3):
        pixels = np.random.default_rng(0).random((batch, 1, 8, 8), np.float32)
        np.testing.assert_allclose(
            model.predict({"input": pixels})["output"],
            expected.predict({"input": pixels})["output"],
            atol=1e-4,
        )


@pytest.mark.parametrize("published", ["state_dict", "onnx"])
def test_pruned_weights_are_zero(tmp_path: Path, published: str) -> None:
    task = making.digits(tmp_path, sparsity=0.5)
    if published == "onnx":
        exported = making.compiled(replace(task, sparsity=None))["openvino-fp32"].file
        assert exported
        path = exported.rename(tmp_path / "digits.onnx")
        task = making.onnx(
            path, task="image-classification", preprocessing=task.spec.preprocessing, sparsity=0.5
        )
    result = making.compiled(task)["openvino-fp32-pruned"]
    assert result.options == {"sparsity": 0.5}
    assert result.agreement is not None
    assert result.file
    initial = onnx.load(result.file).graph.initializer
    weights = [numpy_helper.to_array(t) for t in initial if len(t.dims) >= 2]
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    assert zeros == pytest.approx(0.5 * sum(weight.size for weight in weights), abs=2)


def test_an_onnx_file_serves_openvino_as_it_is(tmp_path: Path) -> None:
    found = making.compiled(making.onnx(samples.linear_onnx(tmp_path / "m.onnx")))
    assert list(found) == ["onnxruntime-fp32", "openvino-fp32"]  # noise tells nothing of bf16
    assert found["openvino-fp32"].file is None
    assert found["openvino-fp32"].inputs_from == "made-up"
    assert (found["openvino-fp32"].max_difference or 0) < 1e-3


def test_a_model_without_a_batch_axis_is_compared_one_by_one(tmp_path: Path) -> None:
    found = making.compiled(making.onnx(samples.linear_onnx(tmp_path / "m.onnx", batch=2)))
    assert found["openvino-fp32"].state == "ready"
    assert found["openvino-fp32"].inputs == 1


def test_rows_of_the_owner_are_real_inputs(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_text("[1, 2, 3, 4]\n" * 30 + '{"x": [0, 1, 0, 1]}\n[1]\n"text"\n')
    path = samples.linear_onnx(tmp_path / "m.onnx")
    found = making.compiled(making.onnx(path, samples={"rows.jsonl": rows}))
    assert found["openvino-bf16"].inputs_from == "owner"
    assert found["openvino-bf16"].inputs == 31
    assert found["onnxruntime-int8"].state == "ready"


def test_a_version_that_does_not_load_has_a_failed_reference(tmp_path: Path) -> None:
    task = making.digits(tmp_path)
    task.files["digits.pt"].write_bytes(b"damaged")
    (result,) = making.compiled(task).values()
    assert (result.name, result.state) == ("torch-fp32", "failed")
    assert result.reason
    assert "cannot be read" in result.reason["message"]


def test_an_exporter_that_fails_leaves_the_others(tmp_path: Path) -> None:
    architecture = "digits_cnn=tests.inference.optimising.hostile:cannot_be_exported"
    task = replace(making.digits(tmp_path), architectures=(architecture,))
    found = making.compiled(task)
    failed = [name for name, result in found.items() if result.reason]
    assert failed == ["openvino-bf16", "openvino-fp32", "onnxruntime-fp32"]
    assert all("converted to ONNX" in str(found[name].reason) for name in failed)
    assert found["torch-bf16"].state == "ready"

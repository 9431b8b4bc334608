"""Runtimes: real weights answer, misfits are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference import completion, sampling
from inference.images import read
from inference.runtimes import reference_runtime, runtime_named
from inference.runtimes.base import Form, LoadedModel, Runtime, TooSlow, Unfit, run_limited
from inference.runtimes.misfits import check_fit
from inference.spec import ModelSpec
from registry.refusals import Refused
from tests.inference import samples

TORCH: Runtime = runtime_named("torch", ())


def load(
    spec: ModelSpec, files: dict[str, Path], architectures: tuple[str, ...] = ()
) -> LoadedModel:
    runtime = runtime_named(reference_runtime(spec.format), architectures)
    return runtime.load(spec, files, Form(threads=2))


def best(model: LoadedModel, name: str) -> str:
    spec = TORCH.completed(samples.lite0_spec())
    assert spec.preprocessing
    pixels = read(samples.photo(name), spec.preprocessing, 10**7)
    return samples.imagenet_labels()[int(model.predict({"input": pixels[None]})["output"].argmax())]


@pytest.mark.parametrize(
    ("name", "label"),
    [("chelsea.png", "tiger cat"), ("coffee.png", "espresso"), ("camera.png", "tripod")],
)
def test_real_weights_know_real_photos(name: str, label: str) -> None:
    assert best(load(samples.lite0_spec(), {"lite0.pth": samples.LITE0}), name) == label


@pytest.mark.parametrize("legacy", [False, True])
def test_it_loads_wrapped_half_precision_weights_of_any_container(
    tmp_path: Path, legacy: bool
) -> None:
    weights = torch.load(samples.LITE0, weights_only=True)
    half = {f"module.{name}": tensor.half() for name, tensor in weights.items()}
    path = tmp_path / "w.pth"
    torch.save({"state_dict": half}, path, _use_new_zipfile_serialization=not legacy)
    spec = samples.spec_for({"w.pth": path}, format="state_dict", architecture="efficientnet_lite0")
    assert best(load(spec, {"w.pth": path}), "coffee.png") == "espresso"


def test_it_loads_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights = torch.load(samples.LITE0, weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    spec = samples.spec_for(
        {"w.safetensors": path}, format="safetensors", architecture="efficientnet_lite0"
    )
    assert best(load(spec, {"w.safetensors": path}), "coffee.png") == "espresso"


def test_it_forgives_counters_that_old_files_lack(tmp_path: Path) -> None:
    weights = samples.digits_cnn(10).state_dict()
    path = tmp_path / "w.pt"
    torch.save({n: t for n, t in weights.items() if "num_batches" not in n}, path)
    spec = samples.spec_for(
        {"w.pt": path},
        format="state_dict",
        architecture="digits_cnn",
        num_classes=10,
        preprocessing=samples.grey_preprocessing(),
    )
    assert load(spec, {"w.pt": path}, (samples.DIGITS_ARCHITECTURE,)).parameter_count == 426


def test_it_names_the_number_of_classes_that_the_file_has() -> None:
    with pytest.raises(Refused, match="send num_classes=1000"):
        load(samples.lite0_spec(num_classes=10), {"lite0.pth": samples.LITE0})


def test_it_names_what_does_not_fit() -> None:
    spec = samples.lite0_spec(architecture="resnet18")
    with pytest.raises(Refused) as refused:
        load(spec, {"lite0.pth": samples.LITE0})
    assert "Missing: conv1.weight, " in str(refused.value)
    assert "Unexpected: _conv_stem.weight, " in str(refused.value)


def test_it_names_both_shapes() -> None:
    with pytest.raises(Refused, match=r"a \[2, 3\] ≠ \[2, 4\], b"):
        check_fit("x", 9, {"a": (2, 4), "b": (1,)}, {"a": (2, 3), "b": (2,)})


def test_it_says_that_weights_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(samples.LITE0.read_bytes()[:1000])
    spec = samples.spec_for({"w.pt": path}, format="state_dict", architecture="resnet18")
    with pytest.raises(Refused, match="cannot be read"):
        load(spec, {"w.pt": path})


def test_onnx_declares_its_signature(tmp_path: Path) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8), classes=5)
    model = load(samples.spec_for({"m.onnx": path}, format="onnx"), {"m.onnx": path})
    assert model.signature.inputs[0].shape == (-1, 3, 8, 8)
    assert model.signature.scores
    assert model.signature.scores.shape == (-1, 5)
    assert model.parameter_count == 3 * 8 * 8 * 5


def test_onnx_finds_its_data_beside_it(tmp_path: Path) -> None:
    samples.linear_onnx(tmp_path / "m.onnx", external="weights.bin")
    stored = {"m.onnx": tmp_path / "blob1", "weights.bin": tmp_path / "blob2"}
    for name, blob in stored.items():
        (tmp_path / name).rename(blob)
    model = load(samples.spec_for(stored, format="onnx", task="tensor"), stored)
    assert model.predict({"x": np.ones((2, 4), np.float32)})["logits"].shape == (2, 3)


def test_onnx_for_one_image_answers_many(tmp_path: Path) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", batch=1, item=(3, 8, 8))
    files = {"m.onnx": path}
    model = load(samples.spec_for(files, format="onnx"), files)
    one = model.predict({"x": np.ones((1, 3, 8, 8), np.float32)})["logits"]
    many = model.predict({"x": np.ones((3, 3, 8, 8), np.float32)})["logits"]
    np.testing.assert_allclose(many, one.repeat(3, axis=0), rtol=1e-5)


def test_onnx_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"hello")
    with pytest.raises(Refused, match="ONNX Runtime"):
        load(samples.spec_for({"m.onnx": path}, format="onnx"), {"m.onnx": path})


def test_what_a_model_cannot_compute_is_unfit(tmp_path: Path) -> None:
    path = samples.picky_onnx(tmp_path / "m.onnx")
    model = load(samples.spec_for({"m.onnx": path}, format="onnx"), {"m.onnx": path})
    with pytest.raises(Unfit):
        model.predict({"x": np.ones((1, 3), np.float32)})


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(Refused, match="pickle"):
        reference_runtime("pickle")


def observed(path: Path, **fields: object) -> ModelSpec:
    files = {path.name: path}
    spec = samples.spec_for(files, **{"format": "onnx", **fields})
    model = load(spec, files)
    spec = completion.completed(spec, model.signature)
    signature = sampling.observe(model, spec)
    return replace(spec, signature=signature, num_classes=sampling.classes(spec, signature))


@pytest.mark.parametrize("softmax", [True, False])
def test_a_sample_tells_probabilities_from_logits(tmp_path: Path, softmax: bool) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8), softmax=softmax)
    spec = observed(path)
    assert spec.signature
    assert spec.signature.probabilities is softmax
    assert spec.num_classes == 3


def test_onnx_is_prepared_at_the_size_that_it_takes(tmp_path: Path) -> None:
    grey = observed(samples.linear_onnx(tmp_path / "grey.onnx", item=(1, 8, 8)))
    wide = observed(samples.linear_onnx(tmp_path / "wide.onnx", item=(3, 8, 16)))
    assert grey.preprocessing
    assert (grey.preprocessing.crop, grey.preprocessing.channels) == ((8, 8), 1)
    assert wide.preprocessing
    assert (wide.preprocessing.resize, wide.preprocessing.crop) == ((8, 16), (8, 16))


@pytest.mark.parametrize("labels", [("a", "b"), ("a", "b", "c", "d")])
def test_labels_must_name_each_class(tmp_path: Path, labels: tuple[str, ...]) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8))
    with pytest.raises(Refused, match="labels for 3 classes"):
        observed(path, labels=labels)


def test_a_declared_number_of_classes_must_be_the_real_one(tmp_path: Path) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8))
    with pytest.raises(Refused, match="send num_classes=3"):
        observed(path, num_classes=4)


def test_a_crop_must_be_of_the_size_that_the_model_takes(tmp_path: Path) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8))
    unfit = samples.grey_preprocessing()
    with pytest.raises(Refused, match="8 × 8, but the crop is 9 × 8"):
        observed(path, preprocessing=replace(unfit, crop=(9, 8)))


@pytest.mark.parametrize("item", [(4,), (8, 8, 3), (3, 8)])
def test_a_classifier_of_images_takes_images(tmp_path: Path, item: tuple[int, ...]) -> None:
    with pytest.raises(Refused, match="task “tensor”"):
        observed(samples.linear_onnx(tmp_path / "m.onnx", item=item))


def test_a_model_that_answers_infinity_is_refused(tmp_path: Path) -> None:
    path = samples.square_onnx(tmp_path / "m.onnx", reciprocal=True)
    model = load(samples.spec_for({"m.onnx": path}, format="onnx"), {"m.onnx": path})
    model.predict = lambda inputs: {"y": np.full((1, 2), np.inf, np.float32)}  # type: ignore[method-assign]
    with pytest.raises(Refused, match="infinity"):
        sampling.observe(model, samples.spec_for({"m.onnx": path}, format="onnx", task="tensor"))


def test_a_spec_survives_json() -> None:
    spec = TORCH.completed(samples.lite0_spec(labels=("a",)))
    assert ModelSpec.from_json(spec.as_json()) == spec


def test_a_run_without_end_is_stopped(tmp_path: Path) -> None:
    path = samples.endless_onnx(tmp_path / "endless.onnx")
    model = load(samples.spec_for({"m.onnx": path}, format="onnx", task="tensor"), {"m.onnx": path})
    for _ in range(2):  # it can be called again
        with pytest.raises(TooSlow):
            run_limited(model, {"x": np.zeros((1,), np.float32)}, 0.2)


def test_processing_refuses_a_run_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "RUN_LIMIT", 0.2)
    path = samples.endless_onnx(tmp_path / "endless.onnx")
    spec = samples.spec_for({"m.onnx": path}, format="onnx", task="tensor")
    with pytest.raises(Refused, match="takes longer"):
        sampling.observe(load(spec, {"m.onnx": path}), spec)


def lite0(form: Form) -> LoadedModel:
    return TORCH.load(samples.lite0_spec(), {"lite0.pth": samples.LITE0}, form)


@pytest.mark.parametrize(
    "form", [Form(2, "bf16"), Form(2, device="auto"), Form(2, options={"channels_last": False})]
)
def test_torch_answers_fp32_in_every_form(form: Form) -> None:
    pixels = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    pixels.flags.writeable = False  # as a request's body is
    expected = lite0(Form(2)).predict({"input": pixels})["output"]
    found = lite0(form).predict({"input": pixels})["output"]
    assert found.dtype == np.float32
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Refused, match="CUDA"):
        lite0(Form(2, device="cuda"))


def in_openvino(
    path: Path, precision: str = "fp32", task: str = "image-classification"
) -> LoadedModel:
    files = {path.name: path}
    spec = samples.spec_for(files, format="onnx", task=task)
    return runtime_named("openvino", ()).load(spec, files, Form(2, precision))


def test_openvino_answers_as_onnx_runtime_does(tmp_path: Path) -> None:
    path = samples.two_outputs_onnx(tmp_path / "two.onnx")
    expected = load(samples.spec_for({"m": path}, format="onnx", task="tensor"), {"m": path})
    model = in_openvino(path, task="tensor")
    assert model.signature == expected.signature
    for batch in (1, 3, 8):
        inputs = {
            "a": np.random.default_rng(batch).standard_normal((batch, 2)).astype(np.float32),
            "b": np.arange(2 * batch, dtype=np.int32).reshape(batch, 2),
        }
        for name, wanted in expected.predict(inputs).items():
            np.testing.assert_allclose(model.predict(inputs)[name], wanted, rtol=1e-6)


def test_openvinos_answers_stay_as_they_were_given(tmp_path: Path) -> None:
    model = in_openvino(samples.square_onnx(tmp_path / "m.onnx"), task="tensor")
    first = model.predict({"x": np.full((1, 2), 3, np.float32)})["y"]
    model.predict({"x": np.full((1, 2), 5, np.float32)})
    assert first.tolist() == [[9, 9]]


def test_openvino_keeps_fp32_unless_told(tmp_path: Path) -> None:
    path = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8))
    inputs = {"x": np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)}
    files = {"m.onnx": path}
    expected = load(samples.spec_for(files, format="onnx"), files).predict(inputs)["logits"]
    np.testing.assert_allclose(in_openvino(path).predict(inputs)["logits"], expected, atol=1e-4)


def test_openvino_for_one_image_answers_many(tmp_path: Path) -> None:
    model = in_openvino(samples.linear_onnx(tmp_path / "m.onnx", batch=1, item=(3, 8, 8)))
    many = model.predict({"x": np.ones((3, 3, 8, 8), np.float32)})["logits"]
    assert model.signature.inputs[0].shape == (-1, 3, 8, 8)
    assert many.shape == (3, 3)


def test_openvino_finds_data_beside_the_model(tmp_path: Path) -> None:
    samples.linear_onnx(tmp_path / "m.onnx", external="weights.bin")
    stored = {"m.onnx": tmp_path / "blob1", "weights.bin": tmp_path / "blob2"}
    for name, blob in stored.items():
        (tmp_path / name).rename(blob)
    spec = samples.spec_for(stored, format="onnx", task="tensor")
    model = runtime_named("openvino", ()).load(spec, stored, Form(1))
    assert model.parameter_count == 4 * 3
    assert model.predict({"x": np.ones((2, 4), np.float32)})["logits"].shape == (2, 3)
    model.close()


def test_openvino_tells_what_it_cannot_load_or_compute(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"hello")
    with pytest.raises(Refused, match="OpenVINO cannot load"):
        in_openvino(bad)
    model = in_openvino(samples.picky_onnx(tmp_path / "m.onnx"), task="tensor")
    with pytest.raises(Unfit):
        model.predict({"x": np.ones((1, 3), np.float32)})
    model.interrupt()  # does no harm
    assert model.predict({"x": np.ones((1, 8), np.float32)})["y"].shape == (1, 8)

"""The formats that OpenVINO reads: identified, scanned, loaded, and right."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aihub.events import SYSTEM
from inference.completion import completed
from inference.converting import conversion
from inference.runtimes import CONVERTED, reference_runtime, runtime_named
from inference.runtimes.base import Form, LoadedModel
from inference.sampling import observe
from inference.spec import IMAGE_CLASSIFICATION, ModelSpec
from registry import semver
from registry.models import ModelVersion, Team
from registry.models.versions import State
from registry.processing import pipeline
from registry.refusals import Refused
from registry.scanning import identify, scan
from registry.services.versions import Publication, version_create
from tests.inference.format_samples import (
    colours_tflite,
    expected,
    folding_tflite,
    linear_files,
    softmax,
)
from tests.inference.samples import spec_for
from tests.registry.making import claimed, make_model, staged

FORMATS = ("openvino", "tflite", "saved_model", "paddle")
X = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)


def loaded(spec: ModelSpec, files: dict[str, Path], precision: str = "fp32") -> LoadedModel:
    """As it is served: what is a program is converted before, in the sandbox."""
    if spec.format in CONVERTED:
        folder = Path(tempfile.mkdtemp(dir=files[spec.main_file].parent))
        files = conversion.converted(spec, files[spec.main_file], folder)
        spec = replace(spec, format="openvino", files=spec_for(files, format="openvino").files)
    runtime = runtime_named(reference_runtime(spec.format), ())
    return runtime.load(spec, files, Form(precision=precision))


def under_sums(files: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The files as the storage keeps them: under names that say nothing."""
    kept = {}
    for number, (path, local) in enumerate(files.items()):
        kept[path] = folder / f"{number:032x}"
        kept[path].write_bytes(local.read_bytes())
    return kept


@pytest.mark.parametrize("format_", FORMATS)
def test_it_is_known_by_its_content_and_passes(format_: str, tmp_path: Path) -> None:
    files = under_sums(dict(linear_files(format_, tmp_path)), tmp_path)
    main = spec_for(files, format=format_).main_file
    assert identify(files[main]) == format_
    siblings = {path: local for path, local in files.items() if path != main}
    assert scan(files[main], format_, siblings=siblings).findings


@pytest.mark.parametrize("format_", FORMATS)
def test_a_published_version_becomes_ready(alpha: Team, tmp_path: Path, format_: str) -> None:
    files = linear_files(format_, tmp_path)
    uploads = [staged(local.read_bytes(), path) for path, local in files.items()]
    publication = Publication(semver.parse("1.0.0"), uploads, {})
    model = make_model(alpha, task="tensor")
    version_create(principal=SYSTEM, model=model, publication=publication)
    pipeline.process(claimed())
    version = ModelVersion.objects.get()
    assert (version.state, version.reason) == (State.READY, "")
    assert version.format == format_
    assert version.signature["inputs"][0]["shape"] == [-1, 4]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("format_", FORMATS)
def test_it_answers_rightly_for_any_batch(format_: str, precision: str, tmp_path: Path) -> None:
    files = under_sums(dict(linear_files(format_, tmp_path)), tmp_path)
    spec = spec_for(files, format=format_, task="tensor")
    model = loaded(spec, files, precision)
    signature = observe(model, spec)
    assert [tensor.shape for tensor in signature.inputs] == [(-1, 4)]
    assert [tensor.shape for tensor in signature.outputs] == [(-1, 3)]
    for batch in (1, 3, 5):
        answer = model.predict({signature.inputs[0].name: X[:batch]})
        (scores,) = answer.values()
        within = 1e-6 if precision == "fp32" else 0.05
        assert np.allclose(scores, expected(X[:batch]), atol=within)
    model.close()


def test_tensors_keep_the_names_that_their_owner_knows(tmp_path: Path) -> None:
    for format_ in ("tflite", "saved_model", "paddle"):
        files = dict(linear_files(format_, tmp_path))
        signature = loaded(spec_for(files, format=format_, task="tensor"), files).signature
        assert signature.inputs[0].name == "x"


def test_images_come_with_channels_first_whatever_the_model_takes(tmp_path: Path) -> None:
    files = {"colours.tflite": colours_tflite(tmp_path)}
    spec = spec_for(files, format="tflite", task=IMAGE_CLASSIFICATION, labels=("r", "g", "b"))
    model = loaded(spec, files)
    spec = completed(spec, model.signature)
    signature = observe(model, spec)
    assert signature.inputs[0].shape == (-1, 3, 8, 8)
    assert signature.probabilities
    images = np.random.default_rng(2).random((4, 3, 8, 8), dtype=np.float32)
    (scores,) = model.predict({signature.inputs[0].name: images}).values()
    assert np.allclose(scores, softmax(images.mean(axis=(2, 3))), atol=1e-6)


def test_as_tensors_they_keep_the_order_of_the_model(tmp_path: Path) -> None:
    files = {"colours.tflite": colours_tflite(tmp_path)}
    model = loaded(spec_for(files, format="tflite", task="tensor"), files)
    assert model.signature.inputs[0].shape == (-1, 8, 8, 3)


def test_what_folds_items_into_one_keeps_its_batch_of_one(tmp_path: Path) -> None:
    files = {"folding.tflite": folding_tflite(tmp_path)}
    model = loaded(spec_for(files, format="tflite", task="tensor"), files)
    assert model.signature.inputs[0].shape == (1, 4)
    assert model.signature.outputs[0].shape == (1, 2, 2)


def test_weights_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    made = linear_files("paddle", tmp_path)
    files = {"model.pdmodel": made["linear.pdmodel"], "w.pdiparams": made["linear.pdiparams"]}
    model = loaded(spec_for(files, format="paddle", task="tensor"), files)
    assert np.allclose(next(iter(model.predict({"x": X}).values())), expected(X), atol=1e-6)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_that_openvino_cannot_load_is_refused(format_: str, tmp_path: Path) -> None:
    files = dict(linear_files(format_, tmp_path))
    main = files[spec_for(files, format=format_).main_file]
    main.write_bytes(main.read_bytes()[: main.stat().st_size // 2])
    with pytest.raises(Refused):
        loaded(spec_for(files, format=format_, task="tensor"), files)

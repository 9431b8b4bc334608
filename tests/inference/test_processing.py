"""The steps `load` and `sample`, on versions in the database with local files."""

from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from inference import processing
from inference.specs import spec_of
from registry.models import Blob, ModelVersion, RegisteredModel, Team, VersionFile
from registry.processing.steps import Context, all_steps
from registry.refusals import Refused
from tests.inference import samples

LITE0 = {"format": "state_dict", "architecture": "efficientnet_lite0"}


def context_for(
    team: Team, files: dict[str, Path], *, task: str = "image-classification", **fields: Any
) -> Context:
    """A version as it is when `scan` is done."""
    model = RegisteredModel.objects.create(team=team, name="Cats", name_key="cats", task=task)
    version = ModelVersion.objects.create(
        model=model, version="1.0.0", version_key="1.0.0", sort_key="1", **fields
    )
    for number, (path, local) in enumerate(files.items()):
        size = local.stat().st_size
        blob = Blob.objects.create(sha256=f"{number}" * 64, md5=f"{number}" * 32, size=size)
        VersionFile.objects.create(version=version, path=path, size=size, blob=blob)
    return Context(version, files)


def process(context: Context) -> ModelVersion:
    processing.load(context)
    processing.sample(context)
    return context.version


def test_its_steps_come_last() -> None:
    assert [step.name for step in all_steps()][-2:] == ["load", "sample"]


def test_weights_take_their_defaults_from_the_architecture(alpha: Team) -> None:
    version = process(context_for(alpha, {"lite0.pth": samples.LITE0}, **LITE0))
    assert (version.num_classes, version.parameter_count) == (1000, 4_652_008)
    assert (version.preprocessing["resize"], version.preprocessing["crop"]) == (256, [224, 224])
    assert version.signature == {
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3, 224, 224]}],
        "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 1000]}],
        "probabilities": False,
    }


def test_the_owners_preprocessing_is_kept(alpha: Team) -> None:
    given = {"resize": 64, "crop": 64}
    files = {"lite0.pth": samples.LITE0}
    version = process(context_for(alpha, files, preprocessing=given, **LITE0))
    assert version.preprocessing["crop"] == [64, 64]
    assert version.signature["inputs"][0]["shape"] == [-1, 3, 64, 64]


@pytest.mark.parametrize(
    ("name", "text"), [("labels.txt", "a\n b \n\nc\n"), ("labels.json", '["a", "b", "c"]')]
)
def test_labels_may_be_a_file(alpha: Team, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    onnx = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8))
    files = {"m.onnx": onnx, name: tmp_path / name}
    version = process(context_for(alpha, files, format="onnx"))
    assert (version.labels, version.num_classes) == (["a", "b", "c"], 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", b"\xff\xfe\xfd"),
        ("labels.json", b"{"),
        ("labels.json", b'{"0": "a"}'),
        ("labels.json", b"[1]"),
        ("labels.json", b"[" * 100_000),
    ],
)
def test_a_labels_file_must_hold_labels(
    alpha: Team, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    onnx = samples.linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8))
    files = {"m.onnx": onnx, name: tmp_path / name}
    with pytest.raises(Refused, match="labels"):
        processing.load(context_for(alpha, files, format="onnx"))


def test_labels_say_how_many_classes_there_are(alpha: Team, tmp_path: Path) -> None:
    labels = [str(number) for number in range(10)]
    fields = {"format": "state_dict", "architecture": "digits_cnn", "labels": labels}
    with override_settings(ENV=_with_digits()):
        files = {"w.pt": samples.digits_file(tmp_path)}
        version = process(context_for(alpha, files, **fields, preprocessing={"crop": 8}))
    assert version.num_classes == 10
    assert version.signature["inputs"][0]["shape"] == [-1, 1, 8, 8]
    assert version.preprocessing["mean"] == [0.0]


def test_as_many_labels_as_classes(alpha: Team) -> None:
    context = context_for(alpha, {"lite0.pth": samples.LITE0}, labels=["cat", "dog"], **LITE0)
    with pytest.raises(Refused, match="send num_classes=1000"):
        processing.load(context)


def test_numbers_that_the_owner_sent_are_not_dropped(alpha: Team, tmp_path: Path) -> None:
    onnx = samples.linear_onnx(tmp_path / "m.onnx", item=(1, 8, 8))
    given = {"crop": 8, "mean": [0.1, 0.2, 0.3]}
    context = context_for(alpha, {"m.onnx": onnx}, format="onnx", preprocessing=given)
    with pytest.raises(Refused, match="one number"):
        processing.load(context)


def test_a_tensor_model_needs_no_preprocessing(alpha: Team, tmp_path: Path) -> None:
    onnx = samples.two_outputs_onnx(tmp_path / "m.onnx")
    version = process(context_for(alpha, {"m.onnx": onnx}, task="tensor", format="onnx"))
    assert version.preprocessing == {}
    assert [o["name"] for o in version.signature["outputs"]] == ["sum", "same"]
    assert [i["datatype"] for i in version.signature["inputs"]] == ["FP32", "INT32"]


def test_another_worker_may_go_on_at_the_sample(alpha: Team) -> None:
    context = context_for(alpha, {"lite0.pth": samples.LITE0}, **LITE0)
    processing.load(context)
    context.version.save()
    again = Context(ModelVersion.objects.get(), context.paths)
    processing.sample(again)
    assert again.version.signature["outputs"][0]["shape"] == [-1, 1000]


def test_a_processed_versions_spec_survives_json(alpha: Team) -> None:
    spec = spec_of(process(context_for(alpha, {"lite0.pth": samples.LITE0}, **LITE0)))
    assert type(spec).from_json(spec.as_json()) == spec


def _with_digits() -> Any:
    from dataclasses import replace

    from django.conf import settings

    return replace(settings.ENV, AIHUB_ARCHITECTURES=(samples.DIGITS_ARCHITECTURE,))

"""Programs of frameworks through a worker's steps: served as data, and with the same numbers."""

import contextlib
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import override_settings

from aihub.events import SYSTEM
from aihub.sandbox import choice
from inference import loading
from inference.converting import conversion
from inference.spec import ModelSpec
from inference.specs import spec_load
from registry import semver
from registry.models import ModelVersion, Team
from registry.models.versions import State
from registry.processing import pipeline
from registry.services.versions import Publication, version_create
from tests.hostile import Payload, shell
from tests.inference.converting import programs
from tests.inference.converting.programs import Program
from tests.registry.making import claimed, make_model, staged

WORKING = [name for name in choice.MECHANISMS if not choice.failure(name)]


def published(team: Team, path: Path, task: str = "tensor", **fields: Any) -> ModelVersion:
    """A version as the worker leaves it."""
    model = make_model(team, task=task)
    upload = staged(path.read_bytes(), path.name)
    publication = Publication(semver.parse("1.0.0"), [upload], fields)
    version = version_create(principal=SYSTEM, model=model, publication=publication)
    pipeline.process(claimed())
    version.refresh_from_db()
    return version


def limited(**values: Any) -> Any:
    return override_settings(ENV=replace(settings.ENV, **values))


def errors(version: ModelVersion) -> list[dict[str, Any]]:
    return [finding for finding in version.report if finding["severity"] == "error"]


@pytest.mark.parametrize("make", programs.MAKERS, ids=programs.NAMES)
def test_a_program_is_served_as_data_with_the_same_numbers(
    alpha: Team, tmp_path: Path, make: Any
) -> None:
    program: Program = make(tmp_path)
    version = published(alpha, program.path, program.task, **program.fields)
    assert (version.state, version.reason) == (State.READY, "")
    assert (version.format, version.served_format) == (program.format, "openvino")
    assert [file.path for file in version.converted.all()] == ["model.bin", "model.xml"]
    told = [(finding["file"], finding["layer"]) for finding in version.report]
    assert told[:2] == [(program.path.name, "format"), (program.path.name, program.format)]
    assert told[-1] == ("model.xml", "openvino")
    assert {finding["severity"] for finding in version.report} == {"info"}

    spec = spec_load(version.pk)
    assert program.path.name not in {file.path for file in spec.files}
    model = loading.model_load(spec, loading.local_files(spec.files))
    name = model.signature.inputs[0].name
    for batch in (1, 3):
        (answer,) = model.predict({name: program.example[:batch]}).values()
        assert np.abs(answer - program.answers(program.example[:batch])).max() <= 1e-3
    model.close()


@pytest.mark.parametrize("mechanism", WORKING)
def test_each_mechanism_converts(tmp_path: Path, mechanism: str) -> None:
    program = programs.scripted_tensors(tmp_path)
    spec = ModelSpec("m", "1.0.0", 1, "torchscript", "tensor", options={"inputs": [_ROWS]})
    with limited(AIHUB_SANDBOX=mechanism):
        made = conversion.converted(spec, program.path, tmp_path)
    assert made["model.xml"].read_text().startswith("<?xml")


_ROWS = {"shape": [-1, 64], "dtype": "FP32"}


@pytest.mark.parametrize(
    ("task", "fields", "reason"),
    [
        ("image-classification", {}, "Send preprocessing with a crop"),
        ("tensor", {}, "Send options with its inputs"),
        ("tensor", {"architecture_options": {"inputs": "x"}}, "must be a list like"),
        ("tensor", {"architecture_options": {"inputs": [{"shape": [-2]}]}}, "must be a list like"),
        (
            "tensor",
            {"architecture_options": {"inputs": [{"shape": [1], "dtype": []}]}},
            "must be a list like",
        ),
        ("tensor", {"architecture_options": {"inputs": [{"shape": [-1, 7]}]}}, "be converted"),
    ],
)
def test_what_is_not_known_of_a_programs_inputs_is_asked_for(
    alpha: Team, tmp_path: Path, task: str, fields: dict[str, Any], reason: str
) -> None:
    path = programs.scripted(programs.Small(), tmp_path / "small.pt")
    version = published(alpha, path, task, **fields)
    assert version.state == State.REJECTED
    assert reason in version.reason
    (error,) = errors(version)
    assert (error["file"], error["layer"]) == ("small.pt", "convert")
    assert error["message"] == version.reason_message


def test_a_pickle_in_an_export_is_refused_before_it_is_loaded(alpha: Team, tmp_path: Path) -> None:
    path = programs.hostile_export(tmp_path / "evil.pt2", shell(tmp_path / "canary"))
    version = published(alpha, path)
    assert version.state == State.REJECTED
    assert "system" in version.reason
    (error,) = errors(version)
    assert (error["file"], error["layer"]) == ("evil.pt2", "pickle")
    assert version.report[0]["layer"] == "format"
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("mechanism", WORKING)
def test_a_pickle_that_got_past_the_scan_reaches_nothing(tmp_path: Path, mechanism: str) -> None:
    canary = tmp_path / "canary"
    code = f"open('ran', 'w') and open({str(canary)!r}, 'w')"
    payload = pickle.dumps(Payload(eval, code), protocol=2)
    path = programs.hostile_export(tmp_path / "evil.pt2", payload)
    spec = ModelSpec("m", "1.0.0", 1, "torch_export", "tensor")
    with limited(AIHUB_SANDBOX=mechanism), contextlib.suppress(conversion.Refused):
        conversion.converted(spec, path, tmp_path)
    assert (tmp_path / "work" / "ran").exists()  # its code did run, where it could do nothing
    assert not canary.exists()


def test_torchscript_that_reads_files_is_refused(alpha: Team, tmp_path: Path) -> None:
    path = programs.scripted(programs.Reader(), tmp_path / "reader.pt")
    version = published(alpha, path, architecture_options={"inputs": [_ROWS]})
    assert version.state == State.REJECTED
    assert "cannot be converted" in version.reason
    assert ("code", "warning") in {(f["layer"], f["severity"]) for f in version.report}
    assert [error["layer"] for error in errors(version)] == ["convert"]


def test_a_conversion_that_takes_too_long_is_stopped(alpha: Team, tmp_path: Path) -> None:
    program = programs.scripted_tensors(tmp_path)
    with limited(AIHUB_SANDBOX_SECONDS=1):
        version = published(alpha, program.path, program.task, **program.fields)
    assert version.reason == "Converting the program took longer than 1 seconds."


def test_a_conversion_that_needs_too_much_memory_is_refused(alpha: Team, tmp_path: Path) -> None:
    program = programs.scripted_tensors(tmp_path)
    with limited(AIHUB_SANDBOX_MEMORY=256 << 20):
        version = published(alpha, program.path, program.task, **program.fields)
    assert version.state == State.REJECTED
    assert errors(version)[0]["layer"] == "convert"


def test_without_a_sandbox_programs_are_refused(alpha: Team, tmp_path: Path) -> None:
    program = programs.tflite(tmp_path)
    with limited(AIHUB_SANDBOX="off"):
        version = published(alpha, program.path, program.task)
    assert version.state == State.REJECTED
    assert "AIHUB_SANDBOX=off" in version.reason


def test_a_file_that_nothing_can_read_is_refused(alpha: Team, tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("m/saved_model.pb", b"no graph")
    version = published(alpha, path)
    assert version.state == State.REJECTED
    assert errors(version)[0]["layer"] == "convert"

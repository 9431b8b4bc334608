"""What `peek` turns away while a file streams in, and what `identify` calls the rest."""

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from registry.refusals import Refused
from registry.scanning import identify, peek
from tests import hostile

WINDOW = 64 * 1024


def look(path: Path) -> None:
    content = path.read_bytes()
    peek(path.name, content[:WINDOW], content[-WINDOW:], len(content))


def named(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "model.pth is empty"),
        (b'{"layers": []}', "JSON"),
        (b"<!DOCTYPE html><html>Please log in</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        ("权重".encode() * WINDOW, "text"),
        (b"%PDF-1.7\n\x00", "PDF"),
        (b"\x89PNG\r\n\x1a\n\x00", "PNG"),
        (b"\x89HDF\r\n\x1a\n\x00", "Keras HDF5"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"cos\nsystem\n(S'true'\ntR.", "plain Python pickle"),
        (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}.", "plain Python pickle"),
        (b"\xff\x00\x00\x00\x00\x00\x00\x00{}", "ends early"),
    ],
)
def test_what_is_no_model_is_told_at_the_door(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)

    with pytest.raises(Refused, match=reason):
        look(path)
    with pytest.raises(Refused, match=reason) if reason != "ends early" else pytest.raises(Refused):
        if identify(path) == "safetensors":
            raise Refused("left to the scan")


def test_prose_is_told_from_a_model(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Send a PyTorch state_dict"):
        look(hostile.text_file(tmp_path / "model.pth"))


def test_an_archive_cut_short_is_told_at_the_door(tmp_path: Path) -> None:
    path = hostile.truncated_zip(tmp_path / "model.pth")

    with pytest.raises(Refused, match="ends early"):
        look(path)
    with pytest.raises(Refused, match="ends early"):
        identify(path)


def test_a_raw_pickle_is_told_at_the_door(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"model\.state_dict\(\)"):
        look(hostile.malicious_raw(tmp_path / "model.pth", tmp_path / "canary"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_known_in_both_containers(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "misnamed.onnx"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=zipped)

    look(path)
    assert identify(path) == "state_dict"


def test_safetensors_is_known_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.pth"
    save_file({"w": np.ones(3, np.float32)}, path)

    look(path)
    assert identify(path) == "safetensors"


def test_onnx_is_known_under_any_name(tmp_path: Path) -> None:
    path = hostile.onnx_external(tmp_path / "misnamed.pth", "weights.bin")

    look(path)
    assert identify(path) == "onnx"


def test_onnx_cut_short_is_told(tmp_path: Path) -> None:
    path = hostile.onnx_external(tmp_path / "model.onnx", "weights.bin")
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(Refused, match="ends early"):
        identify(path)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["metadata.json", "config.json", "model.weights.h5"], "Keras"),
        (["a.npy", "b.npy"], "NumPy"),
        (["readme.txt"], "zip archive"),
    ],
)
def test_other_archives_are_told_what_they_are(
    tmp_path: Path, members: list[str], reason: str
) -> None:
    path = named(tmp_path / "model.pt", **dict.fromkeys(members, b"content"))

    look(path)
    with pytest.raises(Refused, match=reason):
        identify(path)


@pytest.mark.parametrize(
    ("members", "format"),
    [
        (["net/data.pkl", "net/constants.pkl", "net/code/net.py"], "torchscript"),
        (["net/models/model.json", "net/archive_format", "net/data/weights/0"], "torch_export"),
        (["serialized_exported_program.json", "version"], "torch_export"),
    ],
)
def test_torchs_programs_are_told_from_weights(
    tmp_path: Path, members: list[str], format: str
) -> None:
    path = named(tmp_path / "model.pt", **dict.fromkeys(members, b"content"))

    look(path)
    assert identify(path) == format


def test_real_torchscript_is_known(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2)), path)

    assert identify(path) == "torchscript"


@pytest.mark.parametrize(("mode", "kind"), [("w", "tar"), ("w:gz", "gzip")])
def test_a_tar_archive_of_something_else_is_told_what_it_is(
    tmp_path: Path, mode: str, kind: str
) -> None:
    path = tmp_path / "model.tar"
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        made.addfile(tarfile.TarInfo("weights.pth"))

    look(path)
    with pytest.raises(Refused, match=f"a {kind} archive"):
        identify(path)


def test_unknown_bytes_are_refused_with_what_would_be_right(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(1000))

    with pytest.raises(Refused, match="a safetensors or an ONNX file"):
        identify(path)


def test_every_refusal_is_kept_as_json(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        look(hostile.text_file(tmp_path / "model.pth"))

    assert json.dumps(caught.value.values)
    assert caught.value.message % caught.value.values == str(caught.value)

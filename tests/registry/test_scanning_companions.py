"""What may lie beside a model, and what may not."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from registry.files import main_of
from registry.refusals import Refused
from registry.scanning import scan


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    return path


def beside(weights: Path, name: str, content: bytes) -> None:
    path = weights.parent / "sibling"
    path.write_bytes(content)
    scan(weights, "safetensors", siblings={name: path})


def test_a_large_tokenizer_is_not_taken_for_the_weights() -> None:
    sizes = {"tokenizer.json": 500_000, "model.safetensors": 1000, "config.json": 600}
    assert main_of(sizes) == "model.safetensors"
    assert main_of({"tokenizer.json": 5, "vocab.txt": 9}) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b'{"version": "1.0"}'),
        ("config.json", b"\xef\xbb\xbf{}"),
        ("vocab.txt", "é\nß\n".encode()),
        ("README.md", b"# A model"),
        ("LICENSE", b"Do as you like."),
        ("picture.png", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_data_may_lie_beside_the_weights(weights: Path, name: str, content: bytes) -> None:
    beside(weights, name, content)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", b"{", "config.json is not valid JSON"),
        ("tokenizer.json", b"[" * 100_000, "not valid JSON"),
        ("vocab.txt", pickle.dumps([1], protocol=4), "vocab.txt is not UTF-8 text"),
        ("config.json", b" " * (33 << 20), "has more than"),
    ],
)
def test_a_file_is_what_its_name_says(
    weights: Path, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        beside(weights, name, content)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_second_model_is_not_smuggled_in(weights: Path, zipped: bool) -> None:
    other = weights.parent / "pytorch_model.bin"
    torch.save({"weight": torch.zeros(2)}, other, _use_new_zipfile_serialization=zipped)
    with pytest.raises(Refused, match=r"pytorch_model\.bin is a model of its own"):
        scan(weights, "safetensors", siblings={"pytorch_model.bin": other})


@pytest.mark.parametrize("protocol", range(5))
def test_a_pickle_is_not_smuggled_in(weights: Path, protocol: int) -> None:
    with pytest.raises(Refused, match="a model of its own"):
        beside(weights, "notes", pickle.dumps({"a": print}, protocol=protocol))


def test_other_safetensors_are_not_left_unscanned(weights: Path) -> None:
    with pytest.raises(Refused, match="a model of its own"):
        beside(weights, "second.safetensors", weights.read_bytes())

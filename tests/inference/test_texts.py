"""Texts to a model's inputs: lengths, shapes, several threads, and tokenizers that mean harm."""

import base64
import json
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aihub.problems import Problem
from inference.signature import Signature, TensorSpec
from inference.spec import ModelSpec
from inference.texts import Tokenizer, tokenizer_files, tokenizer_of
from inference.tokenizer_checks import check_tokenizer
from registry.refusals import Refused
from tests.inference.samples import spec_for
from tests.inference.texts_samples import EMBEDDING, MINILM, config, minilm_files

Change = Callable[[dict[str, Any]], object]


def signature(*names: str, datatype: str = "INT64", length: int = -1) -> Signature:
    return Signature(tuple(TensorSpec(name, datatype, (-1, length)) for name in names), ())


def spec_of_texts(files: dict[str, Path], inputs: Signature | None = None) -> ModelSpec:
    inputs = inputs or signature("input_ids", "attention_mask")
    return spec_for(files, format="safetensors", task=EMBEDDING, signature=inputs)


def tokenizer(files: dict[str, Path] | None = None, inputs: Signature | None = None) -> Tokenizer:
    files = files or minilm_files()
    found = tokenizer_of(spec_of_texts(files, inputs), files)
    assert found
    return found


def changed(folder: Path, change: Change) -> dict[str, Path]:
    """MiniLM's tokenizer, changed by a hand that means harm or does not know better."""
    value = json.loads((MINILM / "tokenizer.json").read_text())
    change(value)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(value))
    return {"tokenizer.json": path}


def test_texts_become_numbers_and_a_mask() -> None:
    arrays = tokenizer().encode(["Hello world", "Hi"])
    assert arrays["input_ids"][0].tolist() == [101, 7592, 2088, 102] + [0] * 12
    assert arrays["attention_mask"].sum(axis=1).tolist() == [4, 3]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int64)}


@pytest.mark.parametrize(("words", "length"), [(0, 16), (14, 16), (15, 32), (200, 208), (900, 256)])
def test_lengths_are_multiples_of_16_up_to_the_models_own(words: int, length: int) -> None:
    assert tokenizer().encode(["word " * words])["input_ids"].shape == (1, length)


def test_nothing_says_how_long_then_the_tokenizer_does(tmp_path: Path) -> None:
    assert tokenizer(minilm_files("tokenizer.json")).longest == 128
    unsaid = changed(tmp_path, lambda value: value.update(truncation=None))
    assert tokenizer(unsaid).longest == 512


@pytest.mark.parametrize(
    ("said", "longest"),
    [
        ({"max_position_embeddings": 40}, 40),
        ({"model_type": "roberta", "max_position_embeddings": 42, "pad_token_id": 1}, 40),
    ],
)
def test_no_text_is_longer_than_the_model(
    tmp_path: Path, said: dict[str, Any], longest: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(**said)))
    files = {**minilm_files(), "config.json": tmp_path / "config.json"}
    arrays = tokenizer(files).encode(["word " * 100])
    assert arrays["input_ids"].shape == (1, longest)
    assert arrays["input_ids"][0, -1] == 102


def test_a_model_of_one_length_gets_that_length() -> None:
    inputs = signature("input_ids", "attention_mask", "token_type_ids", length=24, datatype="INT32")
    arrays = tokenizer(inputs=inputs).encode(["short", "long " * 50])
    assert {array.shape for array in arrays.values()} == {(2, 24)}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}
    assert not arrays["token_type_ids"].any()


def test_several_threads_encode_at_once() -> None:
    shared = tokenizer()
    texts = [f"text number {number} " * (number % 9 + 1) for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda text: shared.encode([text])["input_ids"], texts))
    alone = [shared.encode([text])["input_ids"] for text in texts]
    assert all(map(np.array_equal, together, alone))


def test_only_small_files_are_needed_for_it() -> None:
    paths = {file.path for file in tokenizer_files(spec_of_texts(minilm_files()))}
    assert paths == minilm_files().keys() - {"model.safetensors"}


@pytest.mark.parametrize(
    "inputs",
    [
        signature("input_ids", "pixels"),
        signature("attention_mask"),
        signature("input_ids", datatype="FP32"),
        Signature((TensorSpec("input_ids", "INT64", (-1,)),), ()),
    ],
)
def test_a_model_that_wants_something_else_takes_no_texts(inputs: Signature) -> None:
    with pytest.raises(Refused, match="takes input_ids, attention_mask"):
        tokenizer(inputs=inputs)


def test_without_a_tokenizer_it_says_what_to_send() -> None:
    with pytest.raises(Refused, match="send tokenizer.json beside the weights"):
        check_tokenizer(minilm_files("model.safetensors"))


@pytest.mark.parametrize("content", ["", "[", "[" * 100_000])
def test_a_tokenizer_that_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    files = {"tokenizer.json": tmp_path / "tokenizer.json"}
    files["tokenizer.json"].write_text(content)
    with pytest.raises(Refused, match="tokenizer.json is not valid JSON"):
        check_tokenizer(files)


@pytest.mark.parametrize("content", ['{"version": "1.0"}', "[]"])
def test_json_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    files = {"tokenizer.json": tmp_path / "tokenizer.json"}
    files["tokenizer.json"].write_text(content)
    check_tokenizer(files)
    with pytest.raises(Refused, match="tokenizer.json cannot be read"):
        tokenizer(files)


def _replace(times: int) -> Change:
    part = {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"}
    return lambda value: value.update(
        normalizer={"type": "Sequence", "normalizers": [part] * times}
    )


def _mapped(length: int) -> Change:
    raw = struct.pack("<I", 4) + b"\0" * 4 + b"x" * length + b"\0"
    part = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(raw).decode()}
    return lambda value: value.update(normalizer=part)


@pytest.mark.parametrize("change", [_replace(3), _mapped(1000)])
def test_a_tokenizer_that_makes_texts_grow_is_refused(tmp_path: Path, change: Change) -> None:
    with pytest.raises(Refused, match="longer than they are"):
        check_tokenizer(changed(tmp_path, change))


@pytest.mark.parametrize("change", [_replace(2), _mapped(33)])
def test_a_tokenizer_may_replace_a_little(tmp_path: Path, change: Change) -> None:
    check_tokenizer(changed(tmp_path, change))


def _endless_expression(value: dict[str, Any]) -> None:
    value["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(a+)+$"},
        "behavior": "Isolated",
        "invert": False,
    }


def test_an_expression_without_end_is_stopped(tmp_path: Path) -> None:
    found = tokenizer(changed(tmp_path, _endless_expression))
    with pytest.raises(Problem) as caught:
        found.encode(["a" * 40 + "b"])
    assert caught.value.status == 422


def _long_beginning(value: dict[str, Any]) -> None:
    value["post_processor"]["special_tokens"]["[CLS]"].update(
        ids=[101] * 5000, tokens=["[CLS]"] * 5000
    )


def test_a_beginning_longer_than_the_model_is_no_text(tmp_path: Path) -> None:
    found = tokenizer(changed(tmp_path, _long_beginning))
    with pytest.raises(Problem):
        found.encode(["text"])


def test_the_largest_number_counts_what_always_stands_there(tmp_path: Path) -> None:
    def change(value: dict[str, Any]) -> None:
        value["post_processor"]["special_tokens"]["[CLS]"]["ids"] = [99_999]

    assert tokenizer().largest_id() == 30_521
    assert tokenizer(changed(tmp_path, change)).largest_id() == 99_999

"""Inputs to compare with: an owner's before photographs, sentences and noise."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from inference.optimising import CompileTask, sentences
from inference.optimising.inputs import Inputs, gather
from inference.signature import Signature, TensorSpec
from registry.preprocessing import Preprocessing
from tests.inference import samples
from tests.inference.optimising import making

IMAGES = Signature((TensorSpec("x", "FP32", (-1, 3, 8, 8)),), (TensorSpec("y", "FP32", (-1, 3)),))
ROWS = Signature(
    (TensorSpec("a", "FP32", (-1, -1)), TensorSpec("b", "INT32", (-1, 2))),
    (TensorSpec("y", "FP32", (-1, 3)),),
)


def gathered(folder: Path, signature: Signature, task: str, **files: bytes) -> Inputs:
    """Inputs of a version whose owner attached `files` (`a_png` for `a.png`)."""
    given = {}
    for name, content in files.items():
        given[name.replace("_", ".")] = folder / name
        (folder / name).write_bytes(content)
    spec = samples.spec_for(
        {}, format="onnx", task=task, preprocessing=Preprocessing(resize=8, crop=(8, 8))
    )
    return gather(CompileTask(spec, {}, folder, samples=given), signature)


def pictures(folder: Path, **files: bytes) -> Inputs:
    return gathered(folder, IMAGES, "image-classification", **files)


def rows(folder: Path, **files: bytes) -> Inputs:
    return gathered(folder, ROWS, "tensor", **files)


def picture(shade: int) -> bytes:
    return making.png(np.full((16, 16, 3), shade))


def test_photographs_stand_in_for_an_owners_pictures(tmp_path: Path) -> None:
    inputs = pictures(tmp_path)
    assert (inputs.origin, inputs.count, inputs.originals) == ("photographs", 200, 0)
    every = inputs.take(range(200))["x"]
    assert every.shape == (200, 3, 8, 8)
    assert len(np.unique(every, axis=0)) == 200
    again = pictures(tmp_path).take(range(200))["x"]
    np.testing.assert_array_equal(every, again)


def test_an_owners_pictures_come_first_and_views_of_them_follow(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/two.png", picture(200))
        archive.writestr("read.txt", "no picture")
    found = pictures(tmp_path, a_png=picture(100), b_zip=packed.getvalue(), c_png=b"damaged")
    assert (found.origin, found.count, found.originals) == ("owner", 200, 2)
    one, two = found.take([0, 1])["x"]
    assert one.mean() < two.mean()


def test_indexes_count_round(tmp_path: Path) -> None:
    inputs = pictures(tmp_path, a_png=picture(100))
    np.testing.assert_array_equal(inputs.take([3, 203])["x"][0], inputs.take([203])["x"][0])


def test_pictures_may_come_as_arrays(tmp_path: Path) -> None:
    stored = io.BytesIO()
    np.save(stored, np.ones((5, 3, 8, 8), np.float32))
    inputs = pictures(tmp_path, a_npy=stored.getvalue())
    assert (inputs.origin, inputs.count) == ("owner", 5)


def test_rows_come_from_lines_and_arrays_by_name(tmp_path: Path) -> None:
    stored = io.BytesIO()
    np.savez(stored, a=np.ones((3, 4)), b=np.ones((3, 2)))
    lines = [{"a": [1, 2, 3, 4], "b": [5, 6]}, {"a": [1]}, {"a": [1], "b": [1, 2]}, "text"]
    text = "\n".join(map(json.dumps, lines)).encode()
    inputs = rows(tmp_path, a_jsonl=text, b_npz=stored.getvalue())
    assert (inputs.origin, inputs.count) == ("owner", 4)  # of the commonest shape
    taken = inputs.take([0, 1])
    assert taken["a"].tolist() == [[1, 2, 3, 4], [1, 1, 1, 1]]
    assert taken["b"].dtype == np.int32


def test_noise_stands_in_for_rows(tmp_path: Path) -> None:
    inputs = rows(tmp_path)
    assert (inputs.origin, inputs.count, inputs.batched) == ("made-up", 200, True)
    assert inputs.take(range(3))["b"].shape == (3, 2)


def test_without_a_batch_axis_inputs_come_one_by_one(tmp_path: Path) -> None:
    fixed = replace(ROWS, outputs=(TensorSpec("y", "FP32", (2, 3)),))
    inputs = gathered(tmp_path, fixed, "tensor")
    assert not inputs.batched
    assert inputs.take([0, 1])["b"].shape == (1, 2)


def test_documentation_gives_two_hundred_sentences() -> None:
    found = sentences.documentation(200)
    assert len(set(found)) > 190
    assert all(20 <= len(sentence) <= 300 for sentence in found)


def test_texts_are_varied_by_leaving_words_out() -> None:
    found = sentences.views(["one two three", "four five six", "x"], 10)
    assert found[:3] == ["one two three", "four five six", "x"]
    assert len(found) == 10
    assert all(found)

"""What stands in each format for each kind of model: what online answers say."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from inference.batch.outputs import FORMATS, Shape
from inference.protocol import answers
from inference.runtimes.base import Arrays
from inference.signature import Signature, TensorSpec
from inference.spec import IMAGE_CLASSIFICATION, ModelSpec
from tests.inference.batch.outputs_samples import (
    FAULT,
    LABELS,
    classifier,
    join,
    numbers,
    rows_of,
    shape,
    write,
)

KEYS = ["a.jpg", 'b "2", x.jpg', "c\r\nd.jpg", "鱼.jpg", ""]
SPECS = {
    "scalar": TensorSpec("scalar", "INT64", (-1,)),
    "flag": TensorSpec("flag", "BOOL", (-1, 2)),
    "half": TensorSpec("half", "FP16", (-1, 1)),
    "vector": TensorSpec("vector", "FP32", (-1, 3)),
    "matrix": TensorSpec("matrix", "FP64", (-1, 2, 2)),
    "cube": TensorSpec("cube", "UINT8", (-1, 2, 1, 3)),
    "none": TensorSpec("none", "FP32", (-1, 2, 0)),
    "texts": TensorSpec("texts", "BYTES", (-1, 2)),
    "text": TensorSpec("text", "BYTES", (-1,)),
}


def outputs_of(*names: str, rows: int = 4) -> Arrays:
    generator = np.random.default_rng(5)
    made: Arrays = {}
    for name in names:
        size = (rows, *SPECS[name].shape[1:])
        if SPECS[name].datatype == "BYTES":
            texts = [f'"{index}",\n鱼' for index in range(int(np.prod(size)))]
            made[name] = np.array(texts, np.object_).reshape(size)
        else:
            made[name] = (generator.random(size) * 100).astype(SPECS[name].dtype)
    return made


def written(tmp_path: Path, of: Shape, *call: Any) -> list[dict[str, Any]]:
    path = tmp_path / "part"
    part = write(path, of, *call)
    joined, output = join(of, [(part, path.read_bytes())])
    assert (joined.rows, joined.failed) == (part.rows, part.failed)
    return rows_of(of, output)


def ranked_online(scores: np.ndarray[Any, Any], of: Shape) -> list[Any]:
    spec = ModelSpec("m", "1.2.0", 1, "onnx", IMAGE_CLASSIFICATION, labels=of.labels, num_classes=5)
    signature = Signature((), of.outputs, of.probabilities)
    return list(answers.ranked({of.scores: scores}, spec, signature, of.top))


def same(found: Any, wanted: Any) -> None:
    """Equal but for scores, which Parquet keeps as float32."""
    assert [[best["label"] for best in row] for row in found] == [
        [best["label"] for best in row] for row in wanted
    ]
    scores = [[best["score"] for best in row] for row in found]
    assert scores == [pytest.approx([best["score"] for best in row], rel=1e-6) for row in wanted]


@pytest.mark.parametrize("form", FORMATS)
class TestClassifiers:
    def test_it_says_what_online_answers_say(self, tmp_path: Path, form: str) -> None:
        of = classifier(form)
        scores = np.random.default_rng(1).normal(size=(5, 5)).astype(np.float32)
        rows = written(tmp_path, of, KEYS, {"scores": scores})
        same([row["predictions"] for row in rows], ranked_online(scores, of))
        assert [row["key"] for row in rows] == KEYS
        assert {row["version"] for row in rows} == {"1.2.0"}
        assert {row["error"] for row in rows} == {None}

    def test_equal_scores_keep_the_order_of_the_classes(self, tmp_path: Path, form: str) -> None:
        of = classifier(form, top=2, probabilities=True)
        scores = np.array([[0.1, 0.3, 0.3, 0.3, 0.0], [0.2] * 5, [0.4, 0.0, 0.3, 0.0, 0.3]])
        rows = written(tmp_path, of, KEYS[:3], {"scores": scores.astype(np.float32)})
        same([row["predictions"] for row in rows], ranked_online(scores, of))
        assert [[best["label"] for best in row["predictions"]] for row in rows] == [
            list(LABELS[1:3]), list(LABELS[:2]), [LABELS[0], LABELS[2]],
        ]  # fmt: skip

    def test_a_single_class_is_a_sigmoid(self, tmp_path: Path, form: str) -> None:
        of = classifier(form, labels=(), top=5, outputs=(TensorSpec("scores", "FP32", (-1, 1)),))
        scores = np.array([[0.0], [2.0]], np.float32)
        rows = written(tmp_path, of, KEYS[:2], {"scores": scores})
        same([row["predictions"] for row in rows], ranked_online(scores, of))
        assert rows[0]["predictions"] == [{"label": "0", "score": 0.5}]

    def test_a_row_of_no_numbers_fails_alone(self, tmp_path: Path, form: str) -> None:
        of = classifier(form)
        scores = np.random.default_rng(1).normal(size=(3, 5))
        scores[1, 2], good = np.nan, scores[[0, 2]]
        rows = written(tmp_path, of, KEYS[:4], {"scores": scores}, {1: FAULT})
        same([rows[0]["predictions"], rows[3]["predictions"]], ranked_online(good, of))
        assert [row["error"] for row in rows] == [None, str(FAULT), answers.NOT_FINITE, None]
        assert [rows[index]["predictions"] for index in (1, 2)] == [None, None]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_best_class_has_columns_of_its_own(tmp_path: Path, form: str) -> None:
    of = classifier(form)
    scores = np.eye(5, dtype=np.float32) * 9
    rows = written(tmp_path, of, [*KEYS, "broken"], {"scores": scores}, {5: FAULT})
    assert [row["prediction"] for row in rows] == [*LABELS[:4], "4", None]
    assert rows[0]["score"] == rows[0]["predictions"][0]["score"]
    assert rows[5]["score"] is None


@pytest.mark.parametrize("form", FORMATS)
class TestTensors:
    @pytest.mark.parametrize("names", [(n,) for n in SPECS] + [("vector", "text", "scalar")])
    def test_it_says_what_online_answers_say(
        self, tmp_path: Path, form: str, names: tuple[str, ...]
    ) -> None:
        of = shape(form, outputs=tuple(SPECS[name] for name in names))
        outputs = outputs_of(*names)
        rows = written(tmp_path, of, numbers(6), outputs, {0: FAULT, 4: FAULT})
        online = answers.rows(outputs, 4)
        found = [rows[index]["predictions"] for index in (1, 2, 3, 5)]
        if form == "parquet":  # float32, as it is
            found = _narrow(found)
            online = _narrow(orjson.loads(orjson.dumps(online, option=orjson.OPT_SERIALIZE_NUMPY)))
        assert _json(found) == _json(online)
        assert [row["key"] for row in rows] == list(range(1000, 1006))
        assert [row["error"] for row in rows] == [str(FAULT), None, None, None, str(FAULT), None]
        assert rows[0]["predictions"] is None

    def test_bytes_are_read_as_text(self, tmp_path: Path, form: str) -> None:
        of = shape(form, outputs=(SPECS["text"],))
        values = np.array([b"plain", "鱼".encode(), b"\xff"], np.object_)
        rows = written(tmp_path, of, numbers(3), {"text": values})
        assert [row["predictions"] for row in rows] == ["plain", "鱼", "�"]

    def test_keys_that_are_no_text_are_mended(self, tmp_path: Path, form: str) -> None:
        of = shape(form, numbered=False)
        rows = written(tmp_path, of, ["a\udcffb"], None, {0: FAULT})
        assert rows[0]["key"] == "a?b"

    def test_all_rows_may_have_failed(self, tmp_path: Path, form: str) -> None:
        for of in (shape(form), classifier(form, numbered=True)):
            rows = written(tmp_path, of, numbers(2), None, {0: FAULT, 1: FAULT})
            assert [row["error"] for row in rows] == [str(FAULT)] * 2

    def test_it_refuses_outputs_that_do_not_go_by_rows(self, tmp_path: Path, form: str) -> None:
        with pytest.raises(ValueError, match="should have 3 rows"):
            write(tmp_path / "part", shape(form), numbers(3), {"vector": np.zeros((2, 3))})
        with pytest.raises(ValueError, match="should have 3 rows"):
            write(tmp_path / "part", shape(form), numbers(3), None)


class TestNumbersThatAreNone:
    @pytest.mark.parametrize("form", ["jsonl", "csv"])
    def test_text_has_null(self, tmp_path: Path, form: str) -> None:
        values = np.array([[np.nan, np.inf, 1.5]], np.float32)
        rows = written(tmp_path, shape(form), numbers(1), {"vector": values})
        assert rows[0]["predictions"] == [None, None, 1.5]

    def test_parquet_keeps_them(self, tmp_path: Path) -> None:
        values = np.array([[np.nan, np.inf, 1.5]], np.float32)
        rows = written(tmp_path, shape("parquet"), numbers(1), {"vector": values})
        assert rows[0]["predictions"] == pytest.approx([np.nan, np.inf, 1.5], nan_ok=True)


def _json(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def _narrow(value: Any) -> Any:
    if isinstance(value, list):
        return [_narrow(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _narrow(inner) for name, inner in value.items()}
    return float(np.float32(value)) if isinstance(value, float) else value

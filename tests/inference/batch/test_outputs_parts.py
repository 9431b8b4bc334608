"""Parts: their sums, their joining, and rows in their places."""

import hashlib
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inference.batch.outputs import (
    FORMATS,
    DamagedPart,
    Part,
    PartWriter,
    Shape,
    assemble,
    failed_rows,
    parquet_join,
    preview,
    replace_rows,
    sample_errors,
)
from inference.batch.outputs.thrift import decode
from inference.batch.rows import Fault, Rows
from tests.inference.batch.outputs_samples import (
    FAULT,
    classifier,
    join,
    numbers,
    rows_of,
    shape,
    write,
)

KINDS = [shape(form) for form in FORMATS] + [classifier(form) for form in FORMATS]
kinds = pytest.mark.parametrize(
    "of", KINDS, ids=lambda of: f"{of.format}-{'classes' if of.classes else 'tensors'}"
)


def call_of(of: Shape, rows: int, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """Keys and outputs of so many rows."""
    generator = np.random.default_rng(seed)
    if of.classes:
        return [f"{seed}/{n}, \n.jpg" for n in range(rows)], {
            "scores": generator.normal(size=(rows, 5))
        }
    return numbers(rows) + seed, {"vector": generator.random((rows, 3), np.float32)}


def part_of(path: Path, of: Shape, rows: int, failed: list[int], seed: int = 0) -> Part:
    keys, outputs = call_of(of, rows, seed)
    fine = [index for index in range(rows) if index not in failed]
    picked = {name: array[fine] for name, array in outputs.items()}
    return write(path, of, keys, picked if fine else None, dict.fromkeys(failed, FAULT))


@kinds
class TestParts:
    def test_the_shape_survives_json(self, of: Shape) -> None:
        assert Shape.from_json(orjson.loads(orjson.dumps(of.as_json()))) == of

    def test_a_part_knows_its_file(self, tmp_path: Path, of: Shape) -> None:
        part = part_of(tmp_path / "part", of, 6, [1, 4])
        content = (tmp_path / "part").read_bytes()
        assert (part.rows, part.failed, part.size) == (6, 2, len(content))
        assert part.sha256 == hashlib.sha256(content).hexdigest()
        assert Part(**orjson.loads(orjson.dumps(asdict(part)))) == part

    def test_the_same_rows_are_the_same_bytes(self, tmp_path: Path, of: Shape) -> None:
        assert part_of(tmp_path / "1", of, 50, [7]) == part_of(tmp_path / "2", of, 50, [7])

    def test_several_calls_follow_each_other(self, tmp_path: Path, of: Shape) -> None:
        keys, outputs = call_of(of, 30)
        with PartWriter(tmp_path / "part", of) as writer:
            for start in (0, 10, 20):
                piece = {name: array[start : start + 10] for name, array in outputs.items()}
                writer.write(Rows(keys[start : start + 10]), piece, {})
            part = writer.close()
        one = write(tmp_path / "one", of, keys, outputs)
        parts = [(part, (tmp_path / "part").read_bytes())]
        assert rows_of(of, join(of, parts)[1]) == rows_of(
            of, join(of, [(one, (tmp_path / "one").read_bytes())])[1]
        )


@kinds
class TestJoining:
    @pytest.mark.parametrize("sizes", [[], [0], [3], [0, 2, 0, 3, 0], [1] * 40])
    def test_parts_follow_each_other(self, tmp_path: Path, of: Shape, sizes: list[int]) -> None:
        parts, single = [], []
        for seed, size in enumerate(sizes):
            part = part_of(tmp_path / "part", of, size, [0] if size > 1 else [], seed)
            parts.append((part, (tmp_path / "part").read_bytes()))
            single += rows_of(of, join(of, parts[-1:])[1])
        joined, output = join(of, parts)
        assert rows_of(of, output) == single
        assert (joined.rows, joined.failed) == (sum(sizes), sum(size > 1 for size in sizes))
        assert joined.size == len(output)
        assert joined.sha256 == hashlib.sha256(output).hexdigest()
        assert joined.md5 == hashlib.md5(output).hexdigest()

    @pytest.mark.parametrize("damage", ["flip", "cut", "more", "empty"])
    def test_damage_is_found(self, tmp_path: Path, of: Shape, damage: str) -> None:
        part = part_of(tmp_path / "part", of, 20, [])
        content = (tmp_path / "part").read_bytes()
        flipped = bytes([content[30] ^ 1])
        damaged = {
            "flip": content[:30] + flipped + content[31:],
            "cut": content[:-9],
            "more": content + b"\n",
            "empty": b"",
        }[damage]
        with pytest.raises(DamagedPart):
            join(of, [(part, content), (part, damaged)])


@kinds
class TestReplacing:
    @pytest.mark.parametrize("failed", [[], [0], [1, 4, 19], list(range(20))])
    def test_failed_rows_are_replaced(self, tmp_path: Path, of: Shape, failed: list[int]) -> None:
        old, new, out = tmp_path / "old", tmp_path / "new", tmp_path / "out"
        part_of(old, of, 20, failed)
        assert failed_rows(old, of) == failed
        keys, outputs = call_of(of, 20)
        again = [keys[index] for index in failed]
        write(
            new,
            of,
            np.array(again, np.int64) if of.numbered else again,
            {name: array[failed] for name, array in outputs.items()},
        )
        part = replace_rows(old, of, new, failed, out)
        whole = write(tmp_path / "whole", of, keys, outputs)
        found = rows_of(of, join(of, [(part, out.read_bytes())])[1])
        assert found == rows_of(of, join(of, [(whole, (tmp_path / "whole").read_bytes())])[1])
        assert (part.rows, part.failed) == (20, 0)

    def test_rows_may_fail_again(self, tmp_path: Path, of: Shape) -> None:
        part_of(tmp_path / "old", of, 9, [2, 5])
        part_of(tmp_path / "new", of, 2, [1])
        part = replace_rows(tmp_path / "old", of, tmp_path / "new", [2, 5], tmp_path / "out")
        assert (part.rows, part.failed) == (9, 1)
        assert failed_rows(tmp_path / "out", of) == [5]

    @pytest.mark.parametrize("at", [[2], [2, 5, 6], [2, 9]])
    def test_it_refuses_rows_that_do_not_fit(
        self, tmp_path: Path, of: Shape, at: list[int]
    ) -> None:
        part_of(tmp_path / "old", of, 9, [2, 5])
        part_of(tmp_path / "new", of, 2, [])
        with pytest.raises(ValueError, match="new row"):
            replace_rows(tmp_path / "old", of, tmp_path / "new", at, tmp_path / "out")

    def test_it_refuses_indices_that_do_not_rise(self, tmp_path: Path, of: Shape) -> None:
        part_of(tmp_path / "old", of, 9, [2, 5])
        part_of(tmp_path / "new", of, 2, [])
        with pytest.raises(ValueError, match="rise"):
            replace_rows(tmp_path / "old", of, tmp_path / "new", [5, 2], tmp_path / "out")


@kinds
class TestLooking:
    def test_errors_are_sampled(self, tmp_path: Path, of: Shape) -> None:
        part_of(tmp_path / "part", of, 9, [2, 5, 8])
        keys, _ = call_of(of, 9)
        assert sample_errors(tmp_path / "part", of, 2) == [
            (keys[2], str(FAULT)),
            (keys[5], str(FAULT)),
        ]

    def test_the_first_rows_are_shown(self, tmp_path: Path, of: Shape) -> None:
        part = part_of(tmp_path / "part", of, 9, [1])
        _, output = join(of, [(part, (tmp_path / "part").read_bytes())] * 2)
        rows = rows_of(of, output)[:12]
        for row in rows:
            row.pop("prediction", None), row.pop("score", None)
        assert preview(io.BytesIO(output), of, 12) == rows
        assert len(preview(io.BytesIO(output), of, 100)) == 18

    def test_an_empty_output_has_no_rows(self, of: Shape) -> None:
        assert preview(io.BytesIO(join(of, [])[1]), of, 5) == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_first_rows_are_read_without_the_rest(tmp_path: Path, form: str) -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

        def readline(self, size: int | None = -1, /) -> bytes:
            data = super().readline(size)
            self.taken += len(data)
            return data

        def __next__(self) -> bytes:
            return self.readline()

    of = shape(form)
    keys, outputs = call_of(of, 500_000)
    part = write(tmp_path / "part", of, keys, outputs)
    output = Counting(join(of, [(part, (tmp_path / "part").read_bytes())] * 2)[1])
    assert [row["key"] for row in preview(output, of, 3)] == [1000, 1001, 1002]
    assert 0 < output.taken < len(output.getvalue()) / 2


def test_csv_is_as_the_rfc_says(tmp_path: Path) -> None:
    of = classifier("csv", top=1, probabilities=True, version="1.0.0")
    scores = np.array([[0.5, 0.25, 0.25, 0, 0], [0, 1, 0, 0, 0]])
    part = write(tmp_path / "part", of, ["a", "b", "c"], {"scores": scores}, {2: Fault("no")})
    assert join(of, [(part, (tmp_path / "part").read_bytes())])[1].decode().split("\r\n") == [
        "key,prediction,score,predictions,version,error",
        'a,cat,0.5,"[{""label"":""cat"",""score"":0.5}]",1.0.0,',
        'b,"dog, large",1.0,"[{""label"":""dog, large"",""score"":1.0}]",1.0.0,',
        "c,,,,1.0.0,no",
        "",
    ]


def test_json_lines_are_as_documented(tmp_path: Path) -> None:
    of = shape("jsonl")
    values = np.array([[0.1, 2, 3]], np.float32)
    part = write(tmp_path / "part", of, numbers(2), {"vector": values}, {0: Fault("no", {}, 4)})
    assert join(of, [(part, (tmp_path / "part").read_bytes())])[1].decode().splitlines() == [
        '{"key":1000,"predictions":null,"version":"1.2.0","error":"line 4: no"}',
        '{"key":1001,"predictions":[0.1,2.0,3.0],"version":"1.2.0","error":null}',
    ]


def test_long_predictions_stay_readable_in_csv(tmp_path: Path) -> None:
    of = shape("csv")
    values = np.zeros((1, 100_000), np.float32)
    part = write(tmp_path / "part", of, numbers(1), {"vector": values})
    _, output = join(of, [(part, (tmp_path / "part").read_bytes())])
    assert preview(io.BytesIO(output), of, 1)[0]["predictions"] == values[0].tolist()


class TestParquet:
    def test_row_groups_stay_as_they_were(self, tmp_path: Path) -> None:
        of = classifier("parquet")
        parts = []
        for seed in range(500):
            part = part_of(tmp_path / "part", of, 1 + seed % 3, [0] if seed % 3 == 2 else [], seed)
            parts.append((part, (tmp_path / "part").read_bytes()))
        _, output = join(of, parts)
        file = pq.ParquetFile(pa.BufferReader(output))
        assert file.metadata.num_row_groups == 500
        assert file.metadata.num_rows == sum(1 + seed % 3 for seed in range(500))
        assert file.schema_arrow == pq.ParquetFile(pa.BufferReader(parts[0][1])).schema_arrow
        for number in (0, 1, 250, 499):
            alone = pq.ParquetFile(pa.BufferReader(parts[number][1]))
            assert file.read_row_group(number) == alone.read()
            for column in range(file.metadata.num_columns):
                joint = file.metadata.row_group(number).column(column)
                assert joint.statistics == alone.metadata.row_group(0).column(column).statistics

    def test_keys_can_be_searched_by_their_statistics(self, tmp_path: Path) -> None:
        of = shape("parquet")
        parts = []
        for seed in (0, 100, 200):
            part = part_of(tmp_path / "part", of, 50, [], seed)
            parts.append((part, (tmp_path / "part").read_bytes()))
        (tmp_path / "out").write_bytes(join(of, parts)[1])
        meta = pq.read_metadata(tmp_path / "out")
        ranges = [meta.row_group(n).column(0).statistics for n in range(3)]
        assert [(r.min, r.max) for r in ranges] == [(1000, 1049), (1100, 1149), (1200, 1249)]
        found = pq.read_table(tmp_path / "out", filters=[("key", ">=", 1240)])
        assert found["key"].to_pylist() == list(range(1240, 1250))

    def test_row_groups_beyond_the_last_number_have_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet_join, "MOST_ORDINALS", 3)  # for 32,768
        of = shape("parquet")
        part = part_of(tmp_path / "part", of, 2, [])
        _, output = join(of, [(part, (tmp_path / "part").read_bytes())] * 5)
        groups = decode(output[-8 - int.from_bytes(output[-8:-4], "little") : -8])[4].value.values
        numbered = [group[7].value if 7 in group else None for group in groups]
        assert numbered == [0, 1, 2, None, None]
        assert pq.ParquetFile(pa.BufferReader(output)).read_row_group(4).num_rows == 2

    def test_a_part_of_another_schema_is_refused(self, tmp_path: Path) -> None:
        part = part_of(tmp_path / "part", classifier("parquet"), 3, [])
        with (tmp_path / "part").open("rb") as file, pytest.raises(DamagedPart, match="schema"):
            assemble(shape("parquet"), [(part, file)], io.BytesIO())

    def test_large_parts_have_several_row_groups(self, tmp_path: Path) -> None:
        of = shape("parquet", outputs=(shape("parquet").outputs[0],))
        keys, outputs = call_of(of, 700_000)
        with PartWriter(tmp_path / "part", of) as writer:
            for _ in range(3):
                writer.write(Rows(keys), outputs, {})
            part = writer.close()
        meta = pq.read_metadata(tmp_path / "part")
        assert [meta.row_group(n).num_rows for n in range(meta.num_row_groups)] == [
            1 << 20, 1_400_000 - (1 << 20), 700_000,
        ]  # fmt: skip
        replaced = replace_rows(
            tmp_path / "part", of, self._one(tmp_path, of), [1_400_001], tmp_path / "out"
        )
        assert replaced.rows == part.rows
        table = pq.read_table(tmp_path / "out")
        assert table["key"][1_400_000].as_py() == 1000
        assert table["key"][1_400_001].as_py() == -1

    def _one(self, tmp_path: Path, of: Shape) -> Path:
        write(tmp_path / "new", of, np.array([-1]), {"vector": np.zeros((1, 3), np.float32)})
        return tmp_path / "new"

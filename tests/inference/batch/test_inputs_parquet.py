"""Parquet: columns of every shape, row groups small and large, and faults."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inference.batch.inputs import Unreadable
from tests.inference.batch.folder import FolderFiles
from tests.inference.batch.inputs_reading import (
    FOUR,
    PICTURE,
    TEXT,
    chunks,
    plain,
    read,
    tensors,
    values,
)

NUMBERS = np.random.default_rng(1).normal(size=(1000, 4)).astype(np.float32)


def put(folder: Path, columns: dict[str, Any], group: int = 10_000, name: str = "t.parquet") -> str:
    pq.write_table(pa.table(columns), folder / name, row_group_size=group)
    return name


def fixed(array: np.ndarray[Any, Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


@pytest.mark.parametrize("group", [7, 100, 1000])
@pytest.mark.parametrize("rows", [10, 64, 300, 5000])
def test_rows_are_the_same_in_any_row_groups_and_chunks(
    tmp_path: Path, group: int, rows: int
) -> None:
    key = put(tmp_path, {"v": fixed(NUMBERS), "n": range(1000)}, group)
    found = read(tmp_path, FOUR, key, rows=rows)
    assert [key for key, _ in found] == list(range(1, 1001))
    assert np.array_equal([value["x"] for _, value in found], NUMBERS)


def test_small_row_groups_are_read_together_and_large_ones_in_parts(tmp_path: Path) -> None:
    small = put(tmp_path, {"v": fixed(NUMBERS)}, 10)
    assert [place.rows for place, _ in chunks(tmp_path, FOUR, small, rows=250)] == [250] * 4
    large = put(tmp_path, {"v": fixed(NUMBERS)}, 1000)
    found = list(chunks(tmp_path, FOUR, large, rows=300, batch=128))
    assert [place.rows for place, _ in found] == [300, 300, 300, 100]
    assert [len(group.keys) for group in found[0][1]] == [128, 128, 44]


@pytest.mark.parametrize(
    "columns",
    [
        {"v": fixed(NUMBERS)},
        {"v": NUMBERS.tolist()},
        {"v": pa.array(NUMBERS.tolist(), pa.large_list(pa.float64()))},
        {f"c{i}": NUMBERS[:, i] for i in range(4)},
        {"id": ["x"] * 1000, **{f"c{i}": NUMBERS[:, i] for i in range(4)}, "label": range(1000)},
    ],
)
def test_numbers_are_found_in_lists_or_side_by_side(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    found = read(tmp_path, FOUR, put(tmp_path, columns))
    assert np.array_equal([value["x"] for _, value in found], NUMBERS)


def test_nested_lists_and_flat_ones_take_the_shape_of_the_input(tmp_path: Path) -> None:
    square = tensors(("x", "FP32", (-1, 2, 2)))
    expected = NUMBERS.reshape(-1, 2, 2)
    for column in (expected.tolist(), fixed(NUMBERS)):
        found = read(tmp_path, square, put(tmp_path, {"v": column}))
        assert np.array_equal([value["x"] for _, value in found], expected)


def test_each_kind_of_bad_row_is_a_fault(tmp_path: Path) -> None:
    rows: list[Any] = [
        [1, 2, 3, 4],
        None,
        [1, 2, 3],
        [1, None, 3, 4],
        [1, float("nan"), 3, 4],
        [1e300, 2, 3, 4],
        [],
        [5, 6, 7, 8],
    ]
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float64())):
        key = put(tmp_path, {"v": pa.array(rows, kind)})
        assert values(read(tmp_path, FOUR, key, columns={"x": "v"})) == [
            [1, 2, 3, 4],
            "Column “v” is empty.",
            "Column “v” has the shape [3] instead of [4].",
            "Column “v” is empty.",
            "Column “v” is not finite: “nan”.",
            "Column “v” is out of the range of FP32: “1e+300”.",
            "Column “v” has the shape [0] instead of [4].",
            [5, 6, 7, 8],
        ]


def test_a_type_that_does_not_belong_is_a_fault_of_each_row(tmp_path: Path) -> None:
    whole = tensors(("x", "INT32", (-1,)))
    assert values(read(tmp_path, whole, put(tmp_path, {"x": [1.5]}))) == [
        "Column “x” is no whole number: “1.5”."
    ]
    assert values(read(tmp_path, whole, put(tmp_path, {"x": [2**31, 5]}))) == [
        "Column “x” is out of the range of INT32: “2147483648”.",
        5,
    ]


@pytest.mark.parametrize("datatype", ["BOOL", "UINT8", "UINT64", "INT16", "FP16", "FP64", "BYTES"])
def test_every_datatype_is_read(tmp_path: Path, datatype: str) -> None:
    column: list[Any] = {"BOOL": [True, False], "BYTES": ["a", "b"]}.get(datatype, [1, 0])
    wanted = tensors(("x", datatype, (-1, 1)))
    found = read(tmp_path, wanted, put(tmp_path, {"x": column}))
    assert values(found) == [[value] for value in column]
    assert found[0][1]["x"].dtype == wanted.tensors[0].dtype


def test_texts_and_pictures_are_read_and_nulls_are_faults(tmp_path: Path) -> None:
    key = put(tmp_path, {"text": ["a", None, "b"], "name": ["x", "y", None]})
    assert plain(read(tmp_path, TEXT, key, key="name")) == [
        ("x", "a"),
        ("y", "Column “text” is empty."),
        ("3", "b"),
    ]
    images = [{"bytes": b"one", "path": "1.jpg"}, None]
    assert plain(read(tmp_path, PICTURE, put(tmp_path, {"image": images}))) == [
        (1, b"one"),
        (2, "Column “image” is empty."),
    ]
    assert plain(read(tmp_path, PICTURE, put(tmp_path, {"image": [b"one"]}))) == [(1, b"one")]


def test_many_files_are_one_table_and_chunks_keep_to_their_file(tmp_path: Path) -> None:
    keys = [put(tmp_path, {"v": fixed(NUMBERS[i : i + 2])}, name=f"{i}.parquet") for i in (0, 2)]
    found = list(chunks(tmp_path, FOUR, *keys, rows=100))
    assert [(place.first, place.rows) for place, _ in found] == [(0, 2), (2, 2)]
    assert list(found[1][1][0].keys) == ["2.parquet:1", "2.parquet:2"]


def test_another_file_without_the_column_is_refused(tmp_path: Path) -> None:
    keys = [
        put(tmp_path, {"v": fixed(NUMBERS)}, name="1.parquet"),
        put(tmp_path, {"w": fixed(NUMBERS)}, name="2.parquet"),
    ]
    with pytest.raises(Unreadable, match="“2.parquet” has no column “v”; it has “w”"):
        read(tmp_path, FOUR, *keys)


def test_a_damaged_footer_is_refused_and_damaged_pages_are_faults(tmp_path: Path) -> None:
    key = put(tmp_path, {"v": fixed(NUMBERS)}, 250)
    data = bytearray((tmp_path / key).read_bytes())
    store = FolderFiles(tmp_path)
    with pytest.raises(Unreadable, match="“cut.parquet” is damaged"):
        read(tmp_path, FOUR, store.put("cut.parquet", bytes(data[:-100])))
    start = len(data) // 2
    data[start : start + 200] = b"\xff" * 200
    header = pq.ParquetFile(tmp_path / key).metadata.row_group(2).column(0)
    data[header.data_page_offset : header.data_page_offset + 20] = b"\xff" * 20
    found = plain(read(tmp_path, FOUR, store.put("b.parquet", bytes(data)), rows=250))
    assert len(found) == 1000
    assert found[600][1].startswith("“b.parquet” is damaged")
    assert found[0][1] == {"x": ("<f4", NUMBERS[0].tolist())}
    assert found[999][1] == {"x": ("<f4", NUMBERS[999].tolist())}

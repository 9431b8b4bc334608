"""JSON lines: objects and bare values, lines that are too long, and the same rows however cut."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from inference.batch.inputs import Unreadable
from inference.batch.inputs.json_values import MAX_VALUES
from inference.batch.inputs.lines import MAX_LINE
from tests.inference.batch.folder import FolderFiles
from tests.inference.batch.inputs_reading import FOUR, TEXT, chunks, plain, read, tensors, values


def put(folder: Path, data: bytes, name: str = "t.jsonl") -> str:
    return FolderFiles(folder).put(name, data)


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_each_kind_of_bad_line_is_a_fault_with_its_number(tmp_path: Path, rows: int) -> None:
    text = b"""{"x": [1, 2, 3, 4]}

[5, 6, 7, 8]
  \t
{"x": [1, 2, 3]}
{"y": [1, 2, 3, 4]}
{"x": [1, 2, 3, NaN]}
{"x": [1, 2, 3, true]}
{"x": [1, 2, 3, "4"]}
{"x": [1, 2, 3, null]}
{"x": [1, 2, [3], 4]}
{"x": null}
{"x": [1, 2, 3, 1e39]}
{"x": [[1, 2], [3, 4]]}
{"x": 5}
{"x": [1, 2, 3, 4]"""
    assert values(read(tmp_path, FOUR, put(tmp_path, text), rows=rows)) == [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        "line 5: Column “x” has the shape [3] instead of [4].",
        "line 6: Column “x” is missing.",
        "line 7: The line is no JSON: unexpected character, expected a JSON value.",
        "line 8: Column “x” is no number: “True”.",
        "line 9: Column “x” is no number: “4”.",
        "line 10: Column “x” is empty.",
        "line 11: Column “x” holds lists of different lengths.",
        "line 12: Column “x” is empty.",
        "line 13: Column “x” is out of the range of FP32: “1e+39”.",
        "line 14: Column “x” has the shape [2, 2] instead of [4].",
        "line 15: Column “x” is no list.",
        "line 16: The line is no JSON: unexpected end of data.",
    ]


@pytest.mark.parametrize("depth", [33, 70, 500, 1000, 100_000])
def test_lists_too_deep_within_lists_are_a_fault_of_their_row(tmp_path: Path, depth: int) -> None:
    deep = b"[" * depth + b"1" + b"]" * depth
    text = b'{"x": ' + deep + b"}\n" + deep + b'\n{"x": [1, 2, 3, 4]}\n'
    *bad, good = values(read(tmp_path, FOUR, put(tmp_path, text)))
    assert good == [1, 2, 3, 4]
    assert all("too deep" in fault or "depth limit" in fault for fault in bad)


def test_objects_deep_within_objects_are_a_fault_of_their_row(tmp_path: Path) -> None:
    text = b'{"x": ' * 1000 + b"1" + b"}" * 1000 + b'\n{"x": [1, 2, 3, 4]}\n'
    bad, good = values(read(tmp_path, FOUR, put(tmp_path, text)))
    assert bad.startswith("line 1: Column “x” is no number: “{")
    assert len(bad) < 120
    assert good == [1, 2, 3, 4]


def test_any_number_of_blank_lines_is_passed_over(tmp_path: Path) -> None:
    text = b"[1, 2, 3, 4]\n" + b"\n \t\r\n" * 1_000_000 + b"[5, 6]\n  \n[5, 6, 7, 8]"
    assert values(read(tmp_path, FOUR, put(tmp_path, text))) == [
        [1, 2, 3, 4],
        "line 2000002: Column “x” has the shape [2] instead of [4].",
        [5, 6, 7, 8],
    ]


def test_a_line_of_more_values_than_memory_has_room_for_is_not_parsed(tmp_path: Path) -> None:
    crowded = b'{"x": [' + b"{}," * MAX_VALUES + b"1]}\n"
    assert len(crowded) < MAX_LINE
    bad, good = values(read(tmp_path, FOUR, put(tmp_path, crowded + b"[1, 2, 3, 4]\n")))
    assert bad == "line 1: The line is no JSON: more than 4000000 values."
    assert good == [1, 2, 3, 4]


def test_rows_of_different_lengths_are_not_together(tmp_path: Path) -> None:
    lengths = [2, 2, 3, 3, 0, 3, 1]
    text = b"".join(json.dumps({"x": [7] * n}).encode() + b"\n" for n in lengths)
    key = put(tmp_path, text.replace(b"[]", b"[null]"))
    wanted = tensors(("x", "INT64", (-1, -1)))
    [(_, groups)] = chunks(tmp_path, wanted, key)
    assert [g.arrays["x"].shape for g in groups if g.arrays] == [(2, 2), (3, 3), (1, 1)]
    assert [list(g.faults) for g in groups] == [[], [2], []]


def test_a_group_of_nothing_but_faults_has_empty_tensors(tmp_path: Path) -> None:
    [(_, groups)] = chunks(tmp_path, FOUR, put(tmp_path, b"{}\n{}\n"), columns={"x": "x"})
    assert groups[0].arrays is not None
    assert groups[0].arrays["x"].shape == (0, 4)
    assert sorted(groups[0].faults) == [0, 1]


def test_texts_are_lines_or_members_of_objects(tmp_path: Path) -> None:
    key = put(tmp_path, b'"one"\n{"text": "two"}\n{"text": 3}\n{"text": ""}\n')
    assert plain(read(tmp_path, TEXT, key)) == [
        (1, "one"),
        (2, "two"),
        (3, "line 3: Column “text” is no text."),
        (4, ""),
    ]


def test_a_text_of_more_than_a_million_characters_is_a_fault(tmp_path: Path) -> None:
    key = put(tmp_path, json.dumps({"text": "é" * 1_000_001}).encode())
    assert plain(read(tmp_path, TEXT, key)) == [
        (1, "line 1: Column “text” has 1000001 characters; at most 1000000 are read.")
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_without_end_is_passed_over(tmp_path: Path, packed: bool) -> None:
    text = b'{"text": "a"}\n{"text": "' + b"x" * (MAX_LINE + (9 << 20)) + b'"}\n{"text": "b"}\n'
    key = put(tmp_path, gzip.compress(text, 1) if packed else text)
    for rows in (1, 2, 10):
        assert plain(read(tmp_path, TEXT, key, rows=rows)) == [
            (1, "a"),
            (2, "line 2: The line is longer than 64 MiB."),
            (3, "b"),
        ]


def test_several_inputs_come_from_several_columns(tmp_path: Path) -> None:
    wanted = tensors(("a", "INT8", (-1,)), ("b", "FP16", (-1, 2)), ("c", "BYTES", (-1, 1)))
    key = put(
        tmp_path, b'{"a": 1, "u": 1.5, "v": 2, "c": "x"}\n{"a": 200, "u": 1, "v": 2, "c": "x"}\n'
    )
    found = plain(read(tmp_path, wanted, key, columns={"b": ("u", "v")}))
    assert found == [
        (1, {"a": ("|i1", 1), "b": ("<f2", [1.5, 2.0]), "c": ("|O", ["x"])}),
        (2, "line 2: Column “a” is out of the range of INT8: “200”."),
    ]


def test_files_of_two_forms_are_refused(tmp_path: Path) -> None:
    store = FolderFiles(tmp_path)
    store.put("a.jsonl", b'{"x": [1, 2, 3, 4]}\n')
    store.put("b.csv", b"a,b,c,d\n1,2,3,4\n")
    store.put("c.data", b"PAR1....")
    for other in ("b.csv", "c.data"):
        with pytest.raises(Unreadable, match="all files must be of one form"):
            read(tmp_path, FOUR, "a.jsonl", other)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, min_size=1, max_size=4),
    max_leaves=8,
)
GOOD = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4)


@settings(max_examples=80, deadline=None)
@given(table=st.lists(st.one_of(GOOD, VALUE), min_size=1, max_size=12), rows=st.integers(1, 5))
def test_rows_are_the_same_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, table: list[Any], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("jsonl")
    key = put(folder, "".join(json.dumps({"x": value}) + "\n" for value in table).encode())
    said = {"columns": {"x": "x"}, "form": "jsonl"}
    whole = plain(read(folder, FOUR, key, rows=10_000, **said))
    assert plain(read(folder, FOUR, key, rows=rows, batch=2, **said)) == whole
    for value, (_, found) in zip(table, whole, strict=True):
        if isinstance(found, dict):
            assert found["x"][1] == pytest.approx(value)
        else:
            assert found.startswith("line ")

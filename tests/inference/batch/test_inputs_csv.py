"""CSV: cells, quotes, lines, faults and the columns that are taken."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from inference.batch.inputs import Described, Unreadable, columns_of
from inference.batch.inputs.lines import MAX_QUOTED
from inference.batch.rows import Fault
from tests.inference.batch.folder import FolderFiles
from tests.inference.batch.inputs_reading import (
    FOUR,
    PICTURE,
    TEXT,
    chunks,
    outcomes,
    plain,
    read,
    tensors,
    values,
)

HEAD = b"a,b,c,d\n"


def put(folder: Path, data: bytes, name: str = "t.csv") -> str:
    return FolderFiles(folder).put(name, data)


def lines(rows: list[tuple[object, object]]) -> list[str]:
    return [str(value) for _, value in rows if isinstance(value, Fault)]


def test_numbers_side_by_side_become_a_tensor(tmp_path: Path) -> None:
    key = put(tmp_path, HEAD + b"1,2.5,-3,4e2\n5,6,7,8\n")
    rows = read(tmp_path, FOUR, key)
    assert plain(rows) == [
        (1, {"x": ("<f4", [1.0, 2.5, -3.0, 400.0])}),
        (2, {"x": ("<f4", [5.0, 6.0, 7.0, 8.0])}),
    ]


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
def test_each_kind_of_bad_row_is_a_fault_with_its_line(tmp_path: Path, rows: int) -> None:
    bad = [
        b"1,,3,4",
        b"1,2,3",
        b"1,2,3,4,5",
        b"x,2,3,4",
        b"1,nan,3,4",
        b"1,2,inf,4",
        b"1,2,3,1e39",
        b"1,2,3,1_0",
        b"\xff,2,3,4",
        b"1,2\r3,3,4",
    ]
    key = put(tmp_path, HEAD + b"1,2,3,4\r\n\r\n" + b"\n".join(bad) + b"\n5,6,7,8")
    found = read(tmp_path, FOUR, key, rows=rows)
    assert lines(found) == [
        "line 4: Column “b” is empty.",
        "line 5: The row has 3 cells; the table has 4 columns.",
        "line 6: The row has 5 cells; the table has 4 columns.",
        "line 7: Column “a” is no number: “x”.",
        "line 8: Column “b” is not finite: “nan”.",
        "line 9: Column “c” is not finite: “inf”.",
        "line 10: Column “d” is out of the range of FP32: “1e+39”.",
        "line 11: Column “d” is no number: “1_0”.",
        "line 12: The row is not valid utf-8.",
        "line 13: The row is no CSV: new-line character seen in unquoted field.",
    ]
    assert [key for key, _ in found] == list(range(1, 13))
    assert values(found)[-1] == [5, 6, 7, 8]


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_newlines_in_quotes_belong_to_their_row_and_count_as_lines(
    tmp_path: Path, rows: int
) -> None:
    key = put(tmp_path, b'text,n\n"two\nlines, ""here""",1\n"a\r\nb",2\nmid"quote,3\n\xff,4\n')
    assert plain(read(tmp_path, TEXT, key, rows=rows)) == [
        (1, 'two\nlines, "here"'),
        (2, "a\r\nb"),
        (3, 'mid"quote'),
        (4, "line 7: The row is not valid utf-8."),
    ]


@pytest.mark.parametrize("rows", [1, 1000])
def test_an_opening_quote_without_an_end_is_a_fault_of_its_line_alone(
    tmp_path: Path, rows: int
) -> None:
    filler = b"word,1\n" * (MAX_QUOTED // 7 + 10)
    key = put(tmp_path, b'text,n\nbefore,1\n"open,2\nafter,3\n' + filler + b'"last,4\nend,5\n')
    found = plain(read(tmp_path, TEXT, key, rows=rows if rows > 1 else 50_000))
    assert found[:3] == [
        (1, "before"),
        (2, "line 3: An opening quote finds no end."),
        (3, "after"),
    ]
    assert found[-2][1] == f"line {len(found)}: An opening quote finds no end."
    assert found[-1][1] == "end"


def test_gzip_members_and_zstd_frames_follow_one_another(tmp_path: Path) -> None:
    two = [HEAD + b"1,2,3,4\n5,6,", b"7,8\n9,9,9,9\n"]
    expected = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]]
    zipped = put(tmp_path, b"".join(map(gzip.compress, two)), "t.csv.gz")
    packed = b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in two)
    for key in (zipped, put(tmp_path, packed, "t.csv.zst")):
        for rows in (1, 2, 10):
            assert values(read(tmp_path, FOUR, key, rows=rows)) == expected


@pytest.mark.parametrize("rows", [10, 100_000])
def test_a_cut_gzip_file_gives_its_rows_and_a_last_fault(tmp_path: Path, rows: int) -> None:
    numbers = np.random.default_rng(3).integers(0, 1000, (5000, 4))
    text = HEAD + b"".join(b"%d,%d,%d,%d\n" % tuple(row) for row in numbers)
    key = put(tmp_path, gzip.compress(text)[:-2000], "t.csv.gz")
    found = values(read(tmp_path, FOUR, key, rows=rows))
    assert found[-1] == f"line {len(found) + 1}: The file is damaged from here on, or ends early."
    assert found[:-1] == numbers[: len(found) - 1].tolist()
    assert len(found) > 1000 or rows > 10


def test_sixteen_bit_characters_are_read_where_the_encoding_says_so(tmp_path: Path) -> None:
    key = put(tmp_path, "text,n\n“a\n”,1\n好,2\n".replace("“a\n”", '"a\n"').encode("utf-16"))
    for rows in (1, 10):
        assert plain(read(tmp_path, TEXT, key, rows=rows, encoding="utf-16")) == [
            (1, "a\n"),
            (2, "好"),
        ]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    key = put(tmp_path, b"\xef\xbb\xbftext;n\nhello;1\n")
    assert plain(read(tmp_path, TEXT, key)) == [(1, "hello")]


def test_other_encodings_are_read_where_they_are_named(tmp_path: Path) -> None:
    key = put(tmp_path, "text,n\n你好,1\n".encode("gbk") + b"\xff,2\n")
    assert plain(read(tmp_path, TEXT, key, encoding="gbk")) == [
        (1, "你好"),
        (2, "line 3: The row is not valid gbk."),
    ]


def test_keys_come_from_their_column_or_name_the_file(tmp_path: Path) -> None:
    first = put(tmp_path, b"id,a,b,c,d\nk,1,2,3,4\n,1,2,3,4\n", "1.csv")
    second = put(tmp_path, b"d,c,b,a,id\n4,3,2,1,z\n", "2.csv")
    assert [k for k, _ in read(tmp_path, FOUR, first, key="id")] == ["k", "2"]
    both = read(tmp_path, FOUR, first, second, rows=1)
    assert [key for key, _ in both] == ["1.csv:1", "1.csv:2", "2.csv:1"]
    assert values(both) == [[1, 2, 3, 4]] * 3


def test_columns_without_a_header_are_called_by_their_numbers(tmp_path: Path) -> None:
    key = put(tmp_path, b"9;1;2;3;4\n8;5;6;7;8\n")
    said = {"header": False, "columns": {"x": ("2", "3", "4", "5")}, "key": "1"}
    found = read(tmp_path, FOUR, key, **said)
    assert [key for key, _ in found] == ["9", "8"]
    assert values(found) == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_cell_may_hold_a_list(tmp_path: Path) -> None:
    key = put(tmp_path, b'id,v\n1,"[1,2,3,4]"\n2,"[[1,2],[3,4]]"\n3,"[1,2"\n')
    square = tensors(("x", "INT64", (-1, 2, 2)))
    assert values(read(tmp_path, square, key, columns={"x": "v"})) == [
        [[1, 2], [3, 4]],
        [[1, 2], [3, 4]],
        "line 4: Column “v” is no list.",
    ]


def test_whole_numbers_keep_to_the_range_of_their_type(tmp_path: Path) -> None:
    key = put(tmp_path, b"n,m\n255,x\n256,x\n-1,x\n1.5,x\n0x10,x\n007,x\n")
    assert values(read(tmp_path, tensors(("x", "UINT8", (-1, 1))), key, columns={"x": "n"})) == [
        [255],
        "line 3: Column “n” is out of the range of UINT8: “256”.",
        "line 4: Column “n” is out of the range of UINT8: “-1”.",
        "line 5: Column “n” is no whole number: “1.5”.",
        "line 6: Column “n” is no number: “0x10”.",
        [7],
    ]


def test_true_false_and_texts_are_inputs_too(tmp_path: Path) -> None:
    key = put(tmp_path, b"b,t\ntrue,one\n0,two\nyes,three\n")
    wanted = tensors(("b", "BOOL", (-1,)), ("t", "BYTES", (-1, 1)))
    found = read(tmp_path, wanted, key)
    assert values(found, "b") == [
        True,
        False,
        "line 4: Column “b” is neither true nor false: “yes”.",
    ]
    assert values(found, "t")[:2] == [["one"], ["two"]]


def test_a_header_without_a_mapped_column_is_refused_with_those_there_are(tmp_path: Path) -> None:
    key = put(tmp_path, HEAD + b"1,2,3,4\n")
    with pytest.raises(Unreadable, match="no column “q”; it has “a”, “b”, “c”, “d”"):
        read(tmp_path, FOUR, key, columns={"x": ("a", "b", "c", "q")})


def test_columns_that_cannot_be_told_are_refused_with_the_way_to_say_them(tmp_path: Path) -> None:
    key = put(tmp_path, b"a,b\n1,2\n")
    with pytest.raises(Unreadable, match=r"“a”, “b”; the model takes x FP32 \[-1, 4\].*“columns”"):
        read(tmp_path, FOUR, key)


def test_a_label_is_left_aside_where_the_number_of_columns_tells(tmp_path: Path) -> None:
    key = put(tmp_path, b"id,a,b,c,d,label\n1,1,2,3,4,9\n")
    assert values(read(tmp_path, FOUR, key)) == [[1, 2, 3, 4]]


def test_what_was_found_is_reported(tmp_path: Path) -> None:
    key = put(tmp_path, b"id\ta\tb\tc\td\nx\t1\t2\t3\t4\n")
    report = columns_of(FolderFiles(tmp_path), Described((key,)), FOUR)
    assert report["form"] == "csv"
    assert report["delimiter"] == "\t"
    assert report["inputs"] == {"x": ["a", "b", "c", "d"]}
    assert report["columns"][0] == {"name": "id", "kind": "text"}


def test_a_picture_in_base64_is_read_and_other_text_is_a_fault(tmp_path: Path) -> None:
    key = put(
        tmp_path, b'image,n\n"data:image/png;base64,aGVsbG8=",1\naGVsbG8=,2\n!!!,3\n', "p.csv"
    )
    assert plain(read(tmp_path, PICTURE, key)) == [
        (1, b"hello"),
        (2, b"hello"),
        (3, "line 4: Column “image” is not base64."),
    ]


def test_pictures_by_key_are_read_under_their_prefix_alone(tmp_path: Path) -> None:
    store = FolderFiles(tmp_path)
    store.put("images/1.jpg", b"one")
    store.put("secret/2.jpg", b"two")
    names = [
        "images/1.jpg",
        "images/../secret/2.jpg",
        "secret/2.jpg",
        "images-no/3.jpg",
        "images/9.jpg",
    ]
    key = store.put("t.csv", ("path,n\n" + "".join(f"{name},1\n" for name in names)).encode())
    outside = "“%s” does not lie under a prefix that the job may read."
    found = plain(read(tmp_path, PICTURE, key, image_root=("images",)))
    assert [value for _, value in found] == [
        b"one",
        *(outside % name for name in names[1:4]),
        "There is no object “images/9.jpg” in the store.",
    ]


def test_a_chunk_that_is_read_again_is_the_same(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(3000, 4))
    text = "".join(",".join(map(repr, row)) + "\n" for row in numbers.tolist())
    key = put(tmp_path, HEAD + text.encode().replace(b"0.5", b"oops", 5))
    first = [
        [plain(list(outcomes([g]))) for g in groups]
        for _, groups in chunks(tmp_path, FOUR, key, rows=700)
    ]
    again = [
        [plain(list(outcomes([g]))) for g in groups]
        for _, groups in chunks(tmp_path, FOUR, key, rows=700)
    ]
    assert first == again
    assert [len(g) for g in first[0]] == [64] * 10 + [60]


CELL = st.one_of(
    st.floats(width=32).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["", " 1", "+1", "1.", ".5", "0x1", "1e400", "1,5", 'a"b', "NaN", "null", "\r", "x\ny"]
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    table=st.lists(st.lists(CELL, min_size=4, max_size=4), min_size=1, max_size=12),
    rows=st.integers(1, 5),
    quoted=st.booleans(),
)
def test_rows_are_the_same_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], rows: int, quoted: bool
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    written = [[_cell(cell) if quoted else cell for cell in row] for row in table]
    text = "a,b,c,d\n" + "".join(",".join(row) + "\n" for row in written)
    key = put(folder, text.encode())
    said = {"columns": {"x": ("a", "b", "c", "d")}, "delimiter": ","}
    try:
        whole = plain(read(folder, FOUR, key, rows=10_000, **said))
    except Unreadable:
        return
    assert plain(read(folder, FOUR, key, rows=rows, **said)) == whole
    slow = plain(
        read(
            folder,
            FOUR,
            put(folder, text.replace("a,b", '"a",b').encode() + b'"",1,1,1\n', "s.csv"),
            rows=10_000,
            **said,
        )
    )
    assert slow[:-1] == whole


def _cell(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1),
    rows=st.integers(1, 4),
)
def test_texts_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    body = "".join(f"{_cell(text)},1\r\n" for text in texts)
    key = put(folder, ("text,n\r\n" + body).encode())
    found = read(folder, TEXT, key, rows=rows)
    assert [value for _, value in found] == texts

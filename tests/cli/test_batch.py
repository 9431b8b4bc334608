"""`aihub batch`: a row for each input, in order, however often it was interrupted."""

import csv
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.cli.command import Command, interrupted, killed, wait_until

ROWS = 300


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def numbers(path: Path, count: int = ROWS) -> Path:
    path.write_text("".join(f"{json.dumps([n, n, n, n])}\n" for n in range(count)))
    return path


def expected(count: int = ROWS) -> list[dict[str, Any]]:
    return [{"key": str(n + 1), "predictions": [n + 1] * 4, "error": None} for n in range(count)]


def test_rows_come_in_the_order_of_the_inputs(aihub: Command, adder: str, tmp_path: Path) -> None:
    given = numbers(tmp_path / "in.jsonl")
    found = aihub.good("batch", adder, given, "-o", tmp_path / "out.jsonl", "--json").json
    assert (found["done"], found["failed"], found["before"]) == (ROWS, 0, 0)
    assert lines(tmp_path / "out.jsonl") == expected()


def test_without_a_file_they_go_to_standard_output(
    aihub: Command, adder: str, tmp_path: Path
) -> None:
    done = aihub.good("batch", adder, numbers(tmp_path / "in.jsonl", 3))
    assert [json.loads(line) for line in done.out.splitlines()] == expected(3)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_killed_one_goes_on_where_it_was(
    aihub: Command, adder: str, tmp_path: Path, suffix: str
) -> None:
    given, out = numbers(tmp_path / "in.jsonl"), tmp_path / f"out.{suffix}"
    process = aihub.begin("batch", adder, given, "-o", out, "--parallel", 1)
    wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") > 5, "some rows")
    killed(process)
    with out.open("ab") as file:
        file.write(b'{"key": "1')  # as if it had been killed within a row
    there = out.read_bytes().count(b"\n") - (suffix == "csv")
    assert 5 < there < ROWS
    found = aihub.good("batch", adder, given, "-o", out, "--json").json
    assert (found["before"], found["done"]) == (there, ROWS)
    if suffix == "jsonl":
        assert lines(out) == expected()
    else:
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert [json.loads(row["predictions"]) for row in rows] == [
            row["predictions"] for row in expected()
        ]


def test_ctrl_c_is_130_and_says_how_to_go_on(aihub: Command, adder: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    given = numbers(tmp_path / "in.jsonl", 3000)
    process = aihub.begin("batch", adder, given, "-o", out, "--parallel", 1)
    wait_until(lambda: out.exists() and out.stat().st_size > 0, "a row")
    done = interrupted(process)
    assert done.code == 130
    assert "goes on" in done.err
    assert lines(out) == expected(len(lines(out)))


def test_rows_that_fail_are_counted_and_say_why(aihub: Command, adder: str, tmp_path: Path) -> None:
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text('[1, 1, 1, 1]\n[1, 1]\n\nnot json\n{"x": [1, 1, 1, 1]}\n')
    found = aihub.good("batch", adder, given, "-o", out, "--json").json
    assert (found["done"], found["failed"]) == (2, 2)
    rows = lines(out)
    assert [row["key"] for row in rows] == ["1", "2", "4", "5"]
    assert [row["predictions"] for row in rows] == [[2] * 4, None, None, [2] * 4]
    assert "[-1, 4]" in rows[1]["error"]
    arguments = ("batch", adder, given, "-o", out, "--overwrite", "--fail-over", 0.4)
    assert "2 of 4" in aihub.refused(1, *arguments).err


def test_where_all_fail_it_fails(aihub: Command, adder: str, tmp_path: Path) -> None:
    given = tmp_path / "in.jsonl"
    given.write_text("[1]\n[2]\n")
    failure = aihub.refused(1, "batch", adder, given, "-o", tmp_path / "o.jsonl", "--json").failure
    assert (failure["failed"], failure["done"]) == (2, 0)


def test_what_is_wrong_for_every_row_ends_it(aihub: Command, adder: str, tmp_path: Path) -> None:
    given = numbers(tmp_path / "in.jsonl", 3)
    aihub.refused(4, "batch", "no-such-model", given, "-o", tmp_path / "out.jsonl")
    aihub.refused(4, "batch", f"{adder}@9.9.9", given, "-o", tmp_path / "out.jsonl")


def test_an_output_of_other_inputs_is_left_alone(
    aihub: Command, adder: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    given = numbers(tmp_path / "in.jsonl", 3)
    row = '{"key": "photo.jpg", "predictions": [], "error": null}\n'
    for text in ("a diary\nof two lines", "a diary", row):
        out.write_text(text)
        aihub.refused(2, "batch", adder, given, "-o", out)
        assert out.read_text() == text


def test_no_inputs_are_2(aihub: Command, adder: str, tmp_path: Path) -> None:
    aihub.refused(2, "batch", adder, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    aihub.refused(2, "batch", adder, tmp_path / "empty")


def test_pictures_of_folders_and_zips_have_their_paths_as_keys(
    aihub: Command, classifier: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    coffee, cat = (picture.read_bytes() for picture in classifier.pictures)
    for name, content in (("10.png", coffee), ("2.png", cat), ("more/a.png", b"no picture")):
        (folder / name).write_bytes(content)
    (folder / "notes.txt").write_text("no picture")
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("in/cat.png", cat)
    out = tmp_path / "out.jsonl"
    inputs = (folder, tmp_path / "photos.zip")
    found = aihub.good("batch", classifier.name, *inputs, "-o", out, "--top", 1, "--json").json
    assert (found["done"], found["failed"]) == (3, 1)
    rows = lines(out)
    assert [row["key"] for row in rows] == ["2.png", "10.png", "more/a.png", "in/cat.png"]
    assert rows[0]["predictions"][0]["label"] == rows[3]["predictions"][0]["label"]
    assert rows[2]["error"]

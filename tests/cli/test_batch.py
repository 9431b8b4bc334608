"""`aihub batch`: an input sent, a job waited for, and its output fetched, whatever breaks."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest

from tests.cli.command import Command, interrupted, killed, read_until, wait_until
from tests.cli.files import MIB
from tests.cli.relay import Relay, relaying
from tests.contract.calls import published, unique
from tests.contract.making import tiny_onnx
from tests.hub import Hub

JOBS = "/api/v1/batch-jobs/"


def numbers(path: Path, count: int = 50, *, blanks: int = 0) -> Path:
    """Rows of four numbers, each line longer by so many blanks."""
    rows = (json.dumps([n, n, n, n]) for n in range(count))
    path.write_text("".join(f"{row}{' ' * blanks}\n" for row in rows))
    return path


def lines(content: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def expected(count: int = 50, version: str = "1.0.0") -> list[dict[str, Any]]:
    same = {"version": version, "error": None}
    return [{"key": n + 1, "predictions": [n + 1] * 4} | same for n in range(count)]


def notes(command: Command) -> list[Path]:
    return list((command.folder / "state" / "aihub" / "uploads").glob("*.json"))


def jobs_of(hub: Hub, model: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hub.client().get(JOBS, params={"model": model}).json()["results"]
    return found


@pytest.fixture
def own(hub: Hub, tmp_path: Path) -> str:
    """A model of tensors that no other test calls; the people of team `alpha` see it."""
    name = unique("own")
    published(hub, name, "1.0.0", tiny_onnx(tmp_path / "own.onnx"), task="tensor", team="alpha")
    return name


def test_rows_come_in_the_order_of_the_input(aihub: Command, adder: str, tmp_path: Path) -> None:
    given, out = numbers(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    found = aihub.good("batch", adder, given, "-o", out, "--json").json
    assert (found["state"], found["done"], found["failed"]) == ("succeeded", 50, 0)
    assert found["file"] == str(out)
    assert lines(out.read_text()) == expected()
    assert [path.name for path in tmp_path.glob("out*")] == ["out.jsonl"]
    assert notes(aihub) == []


def test_a_person_reads_how_it_goes(aihub: Command, adder: str, tmp_path: Path) -> None:
    given = numbers(tmp_path / "in.jsonl", 3)
    done = aihub.good("batch", f"{adder}@1.1.0", given)
    assert lines(done.out) == expected(3, "1.1.0")
    assert f"{adder} 1.1.0" in done.err
    assert "succeeded, 3 of 3 rows" in done.err
    quiet = aihub.good("batch", adder, given, "--quiet")
    assert (lines(quiet.out), quiet.err) == (expected(3), "")


def test_the_output_has_the_format_of_its_name(aihub: Command, adder: str, tmp_path: Path) -> None:
    given, table = numbers(tmp_path / "in.jsonl", 3), tmp_path / "out.parquet"
    aihub.good("batch", adder, given, "-o", table)
    assert pq.read_table(table).column("predictions").to_pylist() == [[n + 1] * 4 for n in range(3)]
    done = aihub.good("batch", adder, given, "--format", "csv", "--quiet")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [json.loads(row["predictions"]) for row in rows] == [[n + 1] * 4 for n in range(3)]


def test_columns_of_a_table_are_named(aihub: Command, adder: str, tmp_path: Path) -> None:
    given = tmp_path / "in.csv"
    given.write_text("name;a;b;c;d;e\nfirst;1;2;3;4;9\nsecond;5;6;7;8;9\n")
    table = ("--columns", "x=a,b,c,d", "--key", "name", "--delimiter", ";")
    found = lines(aihub.good("batch", adder, given, *table).out)
    assert [row["key"] for row in found] == ["first", "second"]
    assert found[1]["predictions"] == [6, 7, 8, 9]


def test_a_table_without_a_header(aihub: Command, adder: str, tmp_path: Path) -> None:
    given = tmp_path / "in.csv"
    given.write_text("1\t2\t3\t4\n5\t6\t7\t8\n")
    sizes = ("--batch-size", 1, "--chunk-rows", 1, "--priority", "high", "--encoding", "ascii")
    out = tmp_path / "out.jsonl"
    table = ("--no-header", "--delimiter", "tab", "-o", out, "--json")
    found = aihub.good("batch", adder, given, *table, *sizes).json
    assert (found["chunks"], found["priority"]) == (2, "high")
    assert [row["predictions"][0] for row in lines(out.read_text())] == [2, 6]


def test_pictures_of_folders_have_their_paths_as_keys(
    aihub: Command, classifier: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    coffee, cat = (picture.read_bytes() for picture in classifier.pictures)
    for name, content in (("10.png", coffee), ("2.png", cat), ("more/a.png", b"no picture")):
        (folder / name).write_bytes(content)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(cat)
    aihub.folder.mkdir()
    (aihub.folder / "cat.png").write_bytes(cat)
    out = tmp_path / "out.jsonl"
    given = ("batch", classifier.name, folder, "cat.png", "-o", out, "--top", 1, "--json")
    found = aihub.good(*given).json
    assert (found["done"], found["failed"], found["input"]["name"]) == (3, 1, "photos.zip")
    rows = lines(out.read_text())
    assert [row["key"] for row in rows] == ["2.png", "10.png", "more/a.png", "cat.png"]
    (first,), (last,) = rows[0]["predictions"], rows[3]["predictions"]
    assert first["label"] == last["label"]
    assert first["score"] == pytest.approx(last["score"], abs=1e-4)
    assert rows[2]["error"]


def test_an_archive_is_sent_as_it_is(aihub: Command, classifier: Any, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(classifier.pictures[0], "in/coffee.png")
    (row,) = lines(aihub.good("batch", classifier.name, tmp_path / "photos.zip").out)
    assert row["key"] == "in/coffee.png"


def test_objects_of_the_bucket_are_named_by_their_prefix(
    hub: Hub, aihub: Command, adder: str
) -> None:
    prefix = f"inputs/default/{unique('rows')}/"
    hub.run_python(
        "import django; django.setup()\n"
        "from pathlib import Path\nfrom tempfile import NamedTemporaryFile\n"
        "from registry.storage import blob_storage\n"
        "with NamedTemporaryFile(delete=False) as file: file.write(b'[0, 0, 0, 0]\\n')\n"
        f"blob_storage().put(Path(file.name), {prefix!r} + 'rows.jsonl')\n"
    )
    for given in ((f"s3:{prefix}",), ("--prefix", prefix)):
        assert lines(aihub.good("batch", adder, *given).out) == expected(1)
    failure = aihub.refused(3, "batch", adder, "s3:files/", "--json", "--detach").failure
    assert "files/" in failure["error"]


def test_after_kill_9_while_it_sends_the_same_command_sends_the_rest(
    hub: Hub, aihub: Command, own: str, relay: Relay, tmp_path: Path
) -> None:
    given, out = numbers(tmp_path / "in.jsonl", 300, blanks=40_000), tmp_path / "out.jsonl"
    command = ("batch", own, given, "-o", out, "--parallel", 1, "--json")
    relay.hold_sent_at = 8 * MIB
    process = aihub.begin(*command, **relay.environ)
    assert relay.held.wait(60)
    killed(process)
    with relaying() as second:
        assert aihub.good(*command, **second.environ).json["done"] == 300
        assert second.sent <= given.stat().st_size - 5 * MIB
    assert lines(out.read_text()) == expected(300)
    assert len(jobs_of(hub, own)) == 1


def test_pictures_that_were_packed_again_go_on_too(
    aihub: Command, classifier: Any, relay: Relay, tmp_path: Path
) -> None:
    folder, cat = tmp_path / "photos", classifier.pictures[1].read_bytes()
    folder.mkdir()
    for number in range(2):  # what follows a picture's end does not matter
        (folder / f"{number}.png").write_bytes(cat + os.urandom(5 * MIB))
    command = ("batch", classifier.name, folder, "--parallel", 1)
    relay.hold_sent_at = 7 * MIB
    process = aihub.begin(*command, **relay.environ)
    assert relay.held.wait(60)
    stopped = interrupted(process)
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    with relaying() as second:
        done = aihub.good(*command, **second.environ)
        assert 0 < second.sent < 7 * MIB
    assert [row["error"] for row in lines(done.out)] == [None, None]


def test_an_output_that_breaks_off_is_fetched_to_its_end(
    aihub: Command, adder: str, relay: Relay, tmp_path: Path
) -> None:
    relay.break_received_at = 1
    given = numbers(tmp_path / "in.jsonl", 3000)
    done = aihub.good("batch", adder, given, "--quiet", **relay.environ)
    assert lines(done.out) == expected(3000)


def test_an_output_that_is_spoilt_on_its_way_is_not_kept(
    aihub: Command, adder: str, relay: Relay, tmp_path: Path
) -> None:
    given, out = numbers(tmp_path / "in.jsonl", 3), tmp_path / "out.jsonl"
    (job,) = aihub.good("batch", adder, given, "--detach").out.split()
    aihub.good("jobs", "wait", job)
    relay.spoil = b"spoilt"
    done = aihub.refused(1, "jobs", "output", job, **relay.environ)
    assert (done.out, "SHA-256" in done.err) == ("", True)
    aihub.refused(1, "jobs", "output", job, "-o", out, **relay.environ)
    assert not list(tmp_path.glob("out*"))


def test_ctrl_c_leaves_the_job_and_says_how_to_come_back(
    hub: Hub, aihub: Command, own: str, relay: Relay, tmp_path: Path
) -> None:
    given, out = numbers(tmp_path / "in.jsonl"), tmp_path / "an out.jsonl"
    relay.hold_received_at = 0
    process = aihub.begin("batch", own, given, "-o", out, **relay.environ)
    assert relay.held.wait(60)
    stopped = interrupted(process)
    (job,) = jobs_of(hub, own)
    assert stopped.code == 130
    assert f"“aihub jobs wait {job['id']} -o '{out}'”" in stopped.err
    aihub.good("jobs", "wait", job["id"], "-o", out)
    assert lines(out.read_text()) == expected()


def test_rows_that_fail_are_counted_and_say_why(aihub: Command, adder: str, tmp_path: Path) -> None:
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text('[1, 1, 1, 1]\n[1, 1]\nnot json\n{"x": [1, 1, 1, 1]}\n')
    found = aihub.good("batch", adder, given, "-o", out, "--json").json
    assert (found["done"], found["failed"]) == (2, 2)
    rows = lines(out.read_text())
    assert [row["predictions"] for row in rows] == [[2] * 4, None, None, [2] * 4]
    assert rows[1]["error"]
    done = aihub.refused(1, "batch", adder, given, "-o", out, "--fail-over", 0.4)
    assert "failed" in done.err


def test_where_all_rows_fail_it_fails_and_the_output_says_why(
    aihub: Command, adder: str, tmp_path: Path
) -> None:
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text('{"x": [1, 1, 1, "a"]}\n{"x": [2, 1, 1, "b"]}\n')
    failure = aihub.refused(1, "batch", adder, given, "-o", out, "--json").failure
    assert "2 of 2 rows failed" in failure["error"]
    assert all(row["error"] for row in lines(out.read_text()))


def test_an_input_that_cannot_be_read_fails_with_the_hub_s_reason(
    aihub: Command, adder: str, tmp_path: Path
) -> None:
    given = tmp_path / "in.csv"
    given.write_text("a,b\n1,2\n")
    done = aihub.refused(1, "batch", adder, given)
    assert done.out == ""
    assert "columns" in done.err


def test_the_same_key_makes_one_job(hub: Hub, aihub: Command, own: str, tmp_path: Path) -> None:
    given = ("batch", own, numbers(tmp_path / "in.jsonl"), "--idempotency-key", "nightly")
    first = aihub.good(*given, "--detach", "--json").json
    assert lines(aihub.good(*given).out) == expected()
    assert [job["id"] for job in jobs_of(hub, own)] == [first["id"]]


def test_who_may_only_predict_makes_jobs_too(
    command_of: Callable[[str], Command], own: str, tmp_path: Path
) -> None:
    table = tmp_path / "in.csv"
    table.write_text("name,a,b,c,d,e\nfirst,1,2,3,4,9\n")
    options = ("--columns", "x=a,b,c,d", "--key", "name", "--fail-over", 0.5)
    (row,) = lines(command_of("viewer").good("batch", own, table, *options).out)
    assert (row["key"], row["predictions"]) == ("first", [2, 3, 4, 5])


def test_what_would_be_refused_is_told_before_anything_is_sent(
    aihub: Command, command_of: Callable[[str], Command], adder: str, relay: Relay, tmp_path: Path
) -> None:
    given = numbers(tmp_path / "in.jsonl", 3)
    aihub.refused(4, "batch", "no-such-model", given, **relay.environ)
    aihub.refused(4, "batch", f"{adder}@9.9.9", given, **relay.environ)
    command_of("outsider").refused(4, "batch", adder, given, **relay.environ)
    bad = ("--encoding", "none-such", "--delimiter", "x", "--json", "--detach")
    failure = aihub.refused(1, "batch", adder, given, *bad, **relay.environ).failure
    assert {error["field"] for error in failure["errors"]} == {"encoding", "delimiter"}
    assert relay.sent == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Name an input"),
        (("none.jsonl",), "no file"),
        (("empty",), "no pictures"),
        (("a.jsonl", "b.jsonl"), "no picture"),
        (("a.png", ".b.png"), "hidden"),
        (("a.png", "folder"), "Two files"),
        (("s3:",), "prefix"),
        (("s3:a/", "a.jsonl"), "prefix"),
        (("a.jsonl", "--prefix", "a/"), "prefix"),
        (("a.jsonl", "--json"), "--output"),
        (("a.jsonl", "--format", "parquet"), "--output"),
        (("a.jsonl", "-o", "out.txt"), "--format"),
        (("a.jsonl", "--columns", "x"), "--columns"),
        (("a.jsonl", "--columns", "x=a,,b"), "--columns"),
    ],
)
def test_wrong_usage_is_2(aihub: Command, arguments: tuple[str, ...], why: str) -> None:
    for folder in ("empty", "folder"):
        (aihub.folder / folder).mkdir(parents=True)
    for name in ("a.jsonl", "b.jsonl", "a.png", ".b.png", "folder/a.png"):
        (aihub.folder / name).write_bytes(b"1")
    assert why in aihub.refused(2, "batch", "model", *arguments).err


@pytest.mark.slow
def test_without_a_worker_it_says_so_and_goes_on_with_one(
    hub: Hub, aihub: Command, adder: str, tmp_path: Path
) -> None:
    given = numbers(tmp_path / "in.jsonl", 3)
    hub.kill_batch_worker()
    hub.age_heartbeats("batch")
    process = aihub.begin("batch", adder, given)
    read_until(process, "No batch worker")
    hub.restart_batch_worker()
    out, _ = process.communicate(timeout=60)
    assert lines(out) == expected(3)
    wait_until(lambda: hub.anonymous().get("/readyz").status_code == 200, "a ready hub")

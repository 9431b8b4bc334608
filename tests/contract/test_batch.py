"""Batch jobs over HTTP: made, watched, steered, and what they put out."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.contract.batching import (
    JOBS,
    act,
    json_lines,
    output,
    rows,
    shown,
    start,
    started,
    succeeded,
    wait_over,
    zipped,
)
from tests.contract.calls import predict, problem_of, published, unique
from tests.contract.making import LITE0, lite0_weights, photograph, tiny_onnx
from tests.hub import Hub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of tensors: y = x + 1 on four numbers."""
    name = unique("batch-tiny")
    file = tiny_onnx(tmp_path_factory.mktemp("batch") / "tiny.onnx")
    published(hub, name, "1.0.0", file, task="tensor")
    return name


@pytest.fixture(scope="module")
def lite0(hub: Hub) -> str:
    name = unique("batch-lite0")
    published(hub, name, "1.0.0", lite0_weights(), **LITE0)
    return name


def test_lines_of_numbers_come_back_in_their_order(hub: Hub, tiny: str) -> None:
    client = hub.client()
    values = [[float(n), 0.0, 0.0, 1.0] for n in range(1000)]
    job = started(client, tiny, "rows.jsonl", json_lines(values))
    assert job["state"] in ("queued", "running")
    assert (job["model"], job["version"]) == (tiny, "1.0.0")
    over = succeeded(hub, job["id"])
    assert (over["total"], over["done"], over["failed"]) == (1000, 1000, 0)
    found = rows(client, job["id"])
    assert [row["key"] for row in found] == list(range(1, 1001))
    assert [row["predictions"] for row in found] == [[n + 1.0, 1.0, 1.0, 2.0] for n in range(1000)]
    assert {row["error"] for row in found} == {None}
    assert {row["version"] for row in found} == {"1.0.0"}


def test_an_archive_of_pictures_is_answered_as_online(hub: Hub, lite0: str) -> None:
    client = hub.client()
    names = ("coffee.png", "chelsea.png", "rocket.jpg")
    members = {f"photos/{name}": photograph(name).read_bytes() for name in names}
    members["photos/broken.jpg"] = b"no picture at all"
    job = started(client, lite0, "photos.zip", zipped(members), top="3")
    over = succeeded(hub, job["id"])
    assert (over["total"], over["done"], over["failed"]) == (4, 3, 1)
    found = rows(client, job["id"])
    assert [row["key"] for row in found] == list(members)
    for row, name in zip(found, names, strict=False):
        online = predict(client, lite0, photograph(name), top=3).json()["predictions"][0]
        assert [p["label"] for p in row["predictions"]] == [p["label"] for p in online]
        assert row["predictions"][0]["score"] == pytest.approx(online[0]["score"], abs=1e-3)
    assert found[3]["predictions"] is None
    assert "no image" in found[3]["error"]
    assert over["errors"] == [{"key": "photos/broken.jpg", "error": found[3]["error"]}]
    assert over["report"]["failed"] == 1


def test_a_table_in_parquet_becomes_one(hub: Hub, tiny: str) -> None:
    client = hub.client()
    file = io.BytesIO()
    table = pa.table({f"f{n}": pa.array([float(r + n) for r in range(500)]) for n in range(4)})
    pq.write_table(table, file, row_group_size=100)
    job = started(
        client, tiny, "rows.parquet", file.getvalue(), output_format="parquet", chunk_rows="100"
    )
    over = succeeded(hub, job["id"])
    assert over["chunks"] == 5
    found = pq.read_table(io.BytesIO(output(client, job["id"])))
    assert found["key"].to_pylist() == list(range(1, 501))
    assert found["predictions"].to_pylist()[7] == [8.0, 9.0, 10.0, 11.0]
    manifest = client.get(f"{JOBS}{job['id']}/manifest/").json()
    assert manifest["rows"] == {"total": 500, "done": 500, "failed": 0}
    assert manifest["output"]["sha256"] == over["output"]["sha256"]


def test_rows_that_cannot_be_read_are_told_by_line_and_the_others_go_on(
    hub: Hub, tiny: str
) -> None:
    text = b"a,b,c,d\n1,2,3,4\n1,2,3\n1,2,x,4\n5,6,7,8\n"
    client = hub.client()
    job = started(client, tiny, "rows.csv", text, columns='{"x": ["a", "b", "c", "d"]}')
    over = succeeded(hub, job["id"])
    assert (over["done"], over["failed"]) == (2, 2)
    found = rows(client, job["id"])
    assert [row["predictions"] for row in found] == [
        [2.0, 3.0, 4.0, 5.0],
        None,
        None,
        [6.0, 7.0, 8.0, 9.0],
    ]
    assert found[1]["error"].startswith("line 3: ")
    assert "c" in found[2]["error"]


def test_an_input_that_is_none_fails_the_job_with_the_reason(hub: Hub, tiny: str) -> None:
    client = hub.client()
    job = started(client, tiny, "rows.csv", b"name,age\nAda,36\n")
    over = wait_over(hub, job["id"])
    assert over["state"] == "failed"
    assert "name" in over["reason"]
    problem_of(client.get(f"{JOBS}{job['id']}/output/"), 409)


def test_the_same_key_makes_no_second_job(hub: Hub, tiny: str) -> None:
    client = hub.client()
    content, headers = json_lines([[1.0, 2.0, 3.0, 4.0]]), {"Idempotency-Key": unique("key")}
    first = started(client, tiny, "rows.jsonl", content, headers=headers)
    again = started(client, tiny, "rows.jsonl", content, headers=headers)
    assert again["id"] == first["id"]
    other = start(client, tiny, "others.jsonl", content * 2, headers=headers)
    problem_of(other, 409)


def test_a_share_of_failed_rows_may_end_a_job(hub: Hub, tiny: str) -> None:
    values: list[Any] = [[1.0, 2.0, 3.0, 4.0]] * 30 + ["no row"] * 10
    job = started(hub.client(), tiny, "rows.jsonl", json_lines(values), fail_over="0.1")
    over = wait_over(hub, job["id"])
    assert over["state"] == "failed"
    assert "10" in over["reason"]


def test_a_paused_job_waits_and_goes_on(hub: Hub, tiny: str) -> None:
    client = hub.client()
    hub.kill_batch_worker()
    job = started(client, tiny, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]] * 10))["id"]
    assert act(client, job, "pause").json()["state"] == "paused"
    problem_of(act(client, job, "pause"), 409)
    hub.restart_batch_worker()
    hub.wait_until(lambda: shown(client, job)["total"] == 10, "the job to be planned")
    assert shown(client, job)["state"] == "paused"
    assert act(client, job, "resume").json()["state"] == "running"
    assert succeeded(hub, job)["done"] == 10


def test_a_cancelled_job_stays_so(hub: Hub, tiny: str) -> None:
    client = hub.client()
    hub.kill_batch_worker()
    job = started(client, tiny, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]] * 10))["id"]
    assert act(client, job, "cancel").json()["state"] == "cancelled"
    problem_of(act(client, job, "cancel"), 409)
    hub.restart_batch_worker()
    again = started(client, tiny, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]]))["id"]
    succeeded(hub, again)
    assert shown(client, job)["state"] == "cancelled"


def test_a_clone_computes_the_same(hub: Hub, tiny: str) -> None:
    client = hub.client()
    content = json_lines([[float(n)] * 4 for n in range(50)])
    first = succeeded(hub, started(client, tiny, "rows.jsonl", content)["id"])
    answer = act(client, first["id"], "clone")
    assert answer.status_code == 202, answer.text
    second = succeeded(hub, answer.json()["id"])
    assert second["cloned_from"] == first["id"]
    assert output(client, second["id"]) == output(client, first["id"])


def test_progress_is_streamed_until_the_end(hub: Hub, tiny: str) -> None:
    client = hub.client()
    job = started(client, tiny, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]] * 10))["id"]
    told = []
    with client.stream("GET", f"{JOBS}{job}/events/") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        for line in stream.iter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
    assert told[-1]["state"] == "succeeded"
    assert told[-1]["done"] == 10


def test_a_range_of_an_output_can_be_fetched(hub: Hub, tiny: str) -> None:
    client = hub.client()
    job = succeeded(
        hub, started(client, tiny, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]] * 10))["id"]
    )
    whole = output(client, job["id"])
    part = client.get(f"{JOBS}{job['id']}/output/", headers={"Range": "bytes=5-14"})
    assert part.status_code == 206
    assert part.content == whole[5:15]


def test_others_do_not_see_a_job(hub: Hub, tiny: str) -> None:
    job = started(hub.client(), tiny, "rows.jsonl", json_lines([[1.0, 2.0, 3.0, 4.0]]))["id"]
    outsider = hub.client("outsider")
    problem_of(outsider.get(f"{JOBS}{job}/"), 404)
    problem_of(act(outsider, job, "cancel"), 404)
    assert outsider.get(JOBS).json()["count"] == 0
    problem_of(start(outsider, tiny, "rows.jsonl", b"[1,2,3,4]\n"), 404)


def _objects(hub: Hub, prefix: str, folder: Path, files: dict[str, bytes]) -> None:
    """Put objects into the hub's store, as others do."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hub.run_python(
        "import django; django.setup()\n"
        "from pathlib import Path\nimport shutil, tempfile\n"
        "from registry.storage import blob_storage\n"
        f"for path in sorted(Path({str(folder)!r}).iterdir()):\n"
        f"    blob_storage().put(path, {prefix!r} + path.name)\n"
    )


def test_a_prefix_of_the_bucket_is_an_input(hub: Hub, lite0: str, tmp_path: Path) -> None:
    names = ("coffee.png", "chelsea.png")
    prefix = f"inputs/default/{unique('photos')}/"
    _objects(hub, prefix, tmp_path, {name: photograph(name).read_bytes() for name in names})
    client = hub.client()
    answer = client.post(JOBS, json={"model": lite0, "input": {"prefix": prefix}})
    assert answer.status_code == 202, answer.text
    over = succeeded(hub, answer.json()["id"])
    assert over["done"] == 2, over["errors"]
    found = rows(client, over["id"])
    assert [row["key"] for row in found] == [f"{prefix}{name}" for name in sorted(names)]


@pytest.mark.parametrize("prefix", ["files/", "f", "uploads/", "batch/1/"])
def test_what_the_hub_keeps_for_itself_is_no_input(hub: Hub, lite0: str, prefix: str) -> None:
    answer = hub.client().post(JOBS, json={"model": lite0, "input": {"prefix": prefix}})
    problem_of(answer, 403)

"""`aihub jobs`: batch jobs looked at, waited for and steered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.hub import Hub


@pytest.fixture
def made(aihub: Command, adder: str, tmp_path: Path) -> Callable[..., int]:
    """`made(*options)`: a job over three rows, of which one fails."""
    given = tmp_path / "in.jsonl"
    given.write_text("[1, 1, 1, 1]\n[2, 2, 2, 2]\n[3]\n")

    def make(*options: Any) -> int:
        return int(aihub.good("batch", adder, given, "--detach", *options).out)

    return make


def test_a_job_is_waited_for_and_its_output_fetched(
    aihub: Command, made: Callable[..., int], tmp_path: Path
) -> None:
    job, out = made(), tmp_path / "out.jsonl"
    found = aihub.good("jobs", "wait", job, "-o", out, "--json").json
    assert (found["state"], found["done"], found["failed"]) == ("succeeded", 2, 1)
    assert [json.loads(line)["key"] for line in out.read_text().splitlines()] == [1, 2, 3]
    assert aihub.good("jobs", "output", job).out == out.read_text()
    out.unlink()
    assert aihub.good("jobs", "output", job, "-o", out, "--json").json["rows"] == 3
    assert out.exists()
    assert "3 of 3 rows, 1 failed" in aihub.good("jobs", "wait", job).err


def test_jobs_are_listed(
    aihub: Command, command_of: Callable[[str], Command], adder: str, made: Callable[..., int]
) -> None:
    job = made()
    aihub.good("jobs", "wait", job)
    newest = aihub.good("jobs", "list", "--model", adder, "--mine", "--json").json[0]
    assert (newest["id"], newest["state"]) == (job, "succeeded")
    states = ("--state", "cancelled", "--state", "failed")
    assert job not in [j["id"] for j in aihub.good("jobs", "list", *states, "--json").json]
    assert "in.jsonl" in aihub.good("jobs", "list", "--state", "succeeded").out
    assert command_of("outsider").good("jobs", "list", "--json").json == []


def test_a_job_is_shown_with_the_rows_that_failed(
    aihub: Command, adder: str, made: Callable[..., int]
) -> None:
    job = made("--fail-over", 0.9)
    aihub.good("jobs", "wait", job)
    shown = aihub.good("jobs", "show", job).out
    assert f"{adder} 1.0.0" in shown
    assert "fail_over=0.9" in shown
    assert aihub.good("jobs", "show", job, "--json").json["errors"][0]["key"] == "3"


def test_jobs_are_steered(aihub: Command, made: Callable[..., int]) -> None:
    job = made()
    aihub.good("jobs", "wait", job)
    assert f"Job {job} is " in aihub.good("jobs", "retry", job).out
    assert aihub.good("jobs", "wait", job, "--json").json["failed"] == 1
    other = aihub.good("jobs", "clone", job, "--json").json
    assert other["cloned_from"] == job
    aihub.good("jobs", "wait", other["id"])
    for action in ("cancel", "pause", "resume"):
        aihub.refused(1, "jobs", action, job)


@pytest.mark.slow
def test_a_job_that_waits_is_paused_and_cancelled(
    hub: Hub, aihub: Command, made: Callable[..., int]
) -> None:
    hub.kill_batch_worker()
    try:
        job = made()
        assert "paused" in aihub.good("jobs", "pause", job).out
        assert "queued" in aihub.good("jobs", "resume", job).out
        assert "not there" in aihub.refused(1, "jobs", "output", job).err
        assert "cancelled" in aihub.good("jobs", "cancel", job).out
        failure = aihub.refused(1, "jobs", "wait", job, "--json").failure
        assert failure["job"]["state"] == "cancelled"
    finally:
        hub.restart_batch_worker()


def test_what_is_not_there_or_not_to_be_seen_is_4(
    aihub: Command, command_of: Callable[[str], Command], made: Callable[..., int]
) -> None:
    aihub.refused(4, "jobs", "show", 10**9)
    aihub.refused(4, "jobs", "wait", 10**9)
    command_of("outsider").refused(4, "jobs", "cancel", made())


def test_wrong_usage_is_2(aihub: Command) -> None:
    aihub.refused(2, "jobs", "output", 1, "--json")
    assert aihub("jobs", "show", "x").code == 2
    assert aihub("jobs", "list", "--state", "done").code == 2

"""What of the store a batch job may read."""

import json
from pathlib import Path

import pytest

from aihub.access import Principal, Role
from aihub.problems import Problem
from inference.batch import keys, services
from registry.models import RegisteredModel, Team
from tests.contract.making import photograph
from tests.inference.batch.jobs_made import (
    fresh,
    lines,
    make_pictures,
    make_tiny,
    numbered,
    output_rows,
    put,
    worked,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tiny(alpha: Team, tmp_path: Path) -> RegisteredModel:
    return make_tiny(alpha, tmp_path)


def member(team: Team) -> Principal:
    return Principal("user:somebody", "somebody", {team.pk: Role.DEVELOPER})


@pytest.mark.parametrize(
    "prefix",
    [
        "inputs/alpha/../beta/",
        "inputs/alpha/../beta/rows.jsonl",
        "inputs/alpha/../../files/",
        "inputs/alpha/./",
        "inputs/alpha//",
        "inputs/alpha/\\..\\..\\beta",
        "/inputs/alpha/",
        "/",
        "..",
    ],
)
def test_a_prefix_that_leads_elsewhere_is_none(
    tiny: RegisteredModel, alpha: Team, tmp_path: Path, prefix: str
) -> None:
    put("inputs/alpha/rows.jsonl", lines(numbered(1)), tmp_path)
    put("inputs/beta/rows.jsonl", lines(numbered(1)), tmp_path)
    admin = Principal("user:admin", "admin", is_admin=True)
    order = services.Order(model=tiny, prefix=prefix)
    for principal in (member(alpha), admin):
        with pytest.raises(Problem) as refused:
            services.job_create(principal=principal, order=order)
        assert refused.value.status == 400


def test_the_folder_of_a_team_whose_name_begins_alike_is_anothers(
    tiny: RegisteredModel, alpha: Team
) -> None:
    for prefix in ("inputs/alphabet/", "inputs/alpha", "Inputs/alpha/", "inputs/\u0430lpha/"):
        order = services.Order(model=tiny, prefix=prefix)
        with pytest.raises(Problem) as refused:
            services.job_create(principal=member(alpha), order=order)
        assert refused.value.status == 403


@pytest.mark.parametrize("between", ["\n", "\x85", "\u2028"])
def test_a_name_with_the_end_of_a_line_names_no_other_object(
    tiny: RegisteredModel, alpha: Team, tmp_path: Path, between: str
) -> None:
    folder = f"inputs/alpha/{ord(between)}/"
    put(f"{folder}x{between}inputs/beta/rows.jsonl", lines(numbered(1)), tmp_path)
    put("inputs/beta/rows.jsonl", lines(numbered(5)), tmp_path)
    order = services.Order(model=tiny, prefix=folder)
    assert worked(services.job_create(principal=member(alpha), order=order)).total == 1


def test_a_key_that_can_be_no_object_is_a_fault_of_its_row(alpha: Team, tmp_path: Path) -> None:
    picture = photograph("chelsea.png").read_bytes()
    put("inputs/alpha/1.png", picture, tmp_path)
    put("inputs/alpha/folder/2.png", picture, tmp_path)
    names = [
        "inputs/alpha/1.png",
        "inputs/alpha/folder",
        "inputs/alpha/1.png/x",
        "inputs/alpha/" + "n" * 300,
        "inputs/alpha/" + "n/" * 800 + "x",
        "/etc/passwd",
        "./files/md5/00/00",
        "",
    ]
    table = b"".join(json.dumps({"image_key": name}).encode() + b"\n" for name in names)
    put("inputs/alpha/table.jsonl", table, tmp_path)
    order = services.Order(model=make_pictures(alpha, tmp_path), prefix="inputs/alpha/table.jsonl")
    job = worked(services.job_create(principal=member(alpha), order=order))
    assert (job.done, job.failed) == (1, len(names) - 1)
    assert [bool(row["error"]) for row in output_rows(fresh(job))] == [False] + 7 * [True]


def test_a_plain_key_names_the_same_place_everywhere() -> None:
    assert keys.is_plain("inputs/alpha/..a/b...c/.hidden/a b.png")
    assert not keys.is_plain("a/" + "b" * keys.LONGEST)
    assert not keys.is_plain("a\0b")

"""How many cores there are for us."""

import os
from pathlib import Path

import pytest

from inference.cores import available_cores, threads

MINE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", MINE), ("50000 100000\n", 1), ("100000 100000\n", 1), ("", MINE)],
)
def test_it_honours_the_quota_of_the_container(tmp_path: Path, text: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cores(tmp_path / "cpu.max", tmp_path) == cores


def test_it_honours_the_older_control_groups(tmp_path: Path) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path / "none", tmp_path) == 1


def test_it_goes_without_control_groups(tmp_path: Path) -> None:
    assert available_cores(tmp_path / "none", tmp_path) == MINE


def test_a_configured_number_comes_first() -> None:
    assert threads(7) == 7
    assert threads(0) >= 1

"""`make env`: passwords of the machine's own, made once."""

import re
import stat
import subprocess
import sys
from pathlib import Path

from aihub.env import BASE_DIR
from ops.compose.make_env import VARIABLES, secret, write


def values(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def made_secrets(path: Path) -> list[str]:
    names = {variable.name for variable in VARIABLES if variable.make is secret}
    return [value for name, value in values(path).items() if name in names]


def test_it_names_every_variable_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    write(path)
    assert list(values(path)) == [variable.name for variable in VARIABLES]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_secret_is_its_own_and_safe_wherever_it_stands(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write(first)
    write(second)
    both = made_secrets(first) + made_secrets(second)
    assert len(set(both)) == len(both) > 0
    assert all(re.fullmatch(r"[0-9a-f]{32}", value) for value in both)


def test_what_is_there_stays_and_only_what_is_missing_is_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MYSQL_PASSWORD=chosen\nREDIS_PASSWORD=")
    added = write(path)
    assert path.read_text().startswith("MYSQL_PASSWORD=chosen\nREDIS_PASSWORD=\n")
    assert not {"MYSQL_PASSWORD", "REDIS_PASSWORD"} & set(added)
    before = path.read_text()
    assert write(path) == []
    assert path.read_text() == before


def test_it_needs_nothing_installed(tmp_path: Path) -> None:
    command = [sys.executable, "-I", BASE_DIR / "ops" / "compose" / "make_env.py", ".env"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.startswith(".env: added AIHUB_PUBLIC_URL, ")
    assert (tmp_path / ".env").is_file()


def test_git_does_not_take_it_along() -> None:
    assert (
        subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=BASE_DIR, check=False).returncode
        == 0
    )

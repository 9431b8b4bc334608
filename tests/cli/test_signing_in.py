"""`aihub login`, `logout`, `whoami`: who calls, and that nobody else learns how."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.cli.command import Command
from tests.hub import Hub
from tests.ports import free_port

NAMED = ("--username", "viewer", "--password-stdin")


def kept(command: Command) -> Any:
    return json.loads((command.config / "aihub" / "config.json").read_text())


def sign_in(command: Command, password: str = PASSWORD) -> None:
    command.good("login", "--url", command.url, *NAMED, given=password + "\n")


def test_a_login_is_kept_for_its_owner_alone_and_without_the_password(nobody: Command) -> None:
    sign_in(nobody)
    file = nobody.config / "aihub" / "config.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.read_text()
    assert nobody.good("whoami", "--json").json == {
        "url": nobody.url,
        "kind": "user",
        "username": "viewer",
    }


def test_a_wrong_password_is_3_and_keeps_nothing(nobody: Command) -> None:
    given = ("login", "--url", nobody.url, *NAMED)
    assert "password" in nobody.refused(3, *given, given="wrong\n").err
    assert not (nobody.config / "aihub" / "config.json").exists()


def test_who_never_signed_in_is_told_how(nobody: Command) -> None:
    assert "aihub login" in nobody.refused(3, "ls", AIHUB_URL=nobody.url).err


def test_a_hub_that_is_away_is_5(nobody: Command) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    assert away in nobody.refused(5, "ls", AIHUB_URL=away, AIHUB_API_KEY="aihub_key").err
    failure = nobody.refused(5, "ls", "--json", AIHUB_URL=away, AIHUB_API_KEY="aihub_key").failure
    assert failure["exit"] == 5


@pytest.mark.parametrize("url", ["hub.example.com", "ftp://hub", "http://", "http://u:p@hub"])
def test_what_is_no_address_is_2(nobody: Command, url: str) -> None:
    assert "address" in nobody.refused(2, "login", "--url", url, *NAMED, given="x\n").err


def test_a_login_is_shown_to_no_other_hub(nobody: Command) -> None:
    sign_in(nobody)
    other = f"http://127.0.0.1:{free_port()}"
    assert "Not signed in" in nobody.refused(3, "ls", AIHUB_URL=other).err


def test_the_environment_s_key_wins_over_the_file(hub: Hub, nobody: Command) -> None:
    sign_in(nobody)
    body = {"name": "cli", "team": "alpha", "actions": ["read"]}
    key = hub.client("owner").post("/api/v1/api-keys/", json=body).json()["key"]
    found = nobody.good("whoami", "--json", AIHUB_API_KEY=key).json
    assert found["kind"] == "api-key"
    nobody.refused(3, "whoami", AIHUB_API_KEY=f"{key}x")


def test_a_key_can_be_kept_in_place_of_a_login(hub: Hub, nobody: Command) -> None:
    body = {"name": "cli", "team": "alpha", "actions": ["read"]}
    key = hub.client("owner").post("/api/v1/api-keys/", json=body).json()["key"]
    nobody.good("login", "--url", nobody.url, "--api-key", "-", given=f"{key}\n")
    assert nobody.good("whoami", "--json").json["kind"] == "api-key"
    nobody.refused(3, "login", "--url", nobody.url, "--api-key", "aihub_wrong")
    assert kept(nobody)["api_key"] == key


def test_processes_at_once_do_not_lose_the_login_when_its_token_ends(nobody: Command) -> None:
    """A refresh token is used once; whoever comes second reads what the first was given."""
    sign_in(nobody)
    file = nobody.config / "aihub" / "config.json"
    before = kept(nobody)
    file.write_text(json.dumps(before | {"expires": time.time()}))
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda number: nobody("ls", "--json"), range(4)))
    assert [each.code for each in done] == [0] * 4, done
    assert kept(nobody)["refresh"] != before["refresh"]
    nobody.good("ls")


def test_a_token_that_the_hub_takes_no_more_is_renewed(nobody: Command) -> None:
    sign_in(nobody)
    file = nobody.config / "aihub" / "config.json"
    file.write_text(json.dumps(kept(nobody) | {"access": "not.a.token"}))
    nobody.good("ls")


def test_after_logout_the_refresh_token_is_of_no_use(nobody: Command, tmp_path: Path) -> None:
    sign_in(nobody)
    stolen = kept(nobody) | {"expires": 0.0}
    nobody.good("logout")
    nobody.refused(3, "ls")
    (nobody.config / "aihub" / "config.json").write_text(json.dumps(stolen))
    assert "has ended" in nobody.refused(3, "ls").err


def test_without_a_terminal_nothing_is_asked(nobody: Command) -> None:
    assert "--password-stdin" in nobody.refused(2, "login", "--url", nobody.url, given="").err


def test_a_damaged_file_is_as_none(nobody: Command) -> None:
    file = nobody.config / "aihub" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    nobody.refused(3, "ls", AIHUB_URL=nobody.url)

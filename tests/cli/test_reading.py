"""`aihub ls`, `show`, `promote`, `rollback`, `predict`, and what they exit with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.contract.calls import unique
from tests.hub import Hub


def test_models_are_listed_as_a_table_and_as_json(aihub: Command, adder: str) -> None:
    lines = aihub.good("ls", "--search", adder).out.splitlines()
    assert lines[0].split() == ["name", "team", "task", "versions", "aliases", "tags"]
    assert lines[1].split()[:3] == [adder, "default", "tensor"]
    assert "production=1.0.0" in lines[1]
    found = aihub.good("ls", "--search", adder, "--json").json
    assert [model["name"] for model in found] == [adder]


def test_versions_are_listed_newest_first(aihub: Command, adder: str) -> None:
    newest = [v["version"] for v in aihub.good("ls", adder, "--json").json][:2]
    assert newest == ["1.1.0", "1.0.0"]
    assert "production" in aihub.good("ls", adder).out.splitlines()[2]


def test_filters_are_the_hub_s(aihub: Command, adder: str) -> None:
    assert aihub.good("ls", "-s", adder, "--task", "text-embedding", "--json").json == []
    assert "none" in aihub.good("ls", "-s", adder, "--task", "text-embedding").err
    failure = aihub.refused(1, "ls", "--task", "juggling", "--json").failure
    assert failure["status"] == 400
    assert failure["errors"][0]["field"] == "task"


@pytest.mark.parametrize(
    ("which", "version"),
    [("@1.1.0", "1.1.0"), ("@v1.1.0", "1.1.0"), ("@production", "1.0.0")],
)
def test_a_version_is_shown(aihub: Command, adder: str, which: str, version: str) -> None:
    found = aihub.good("show", adder + which, "--json").json
    assert (found["model"], found["version"]) == (adder, version)
    text = aihub.good("show", adder + which).out
    assert "tiny.onnx" in text
    assert found["files"][0]["sha256"] in text


def test_a_model_is_shown_with_its_versions(aihub: Command, adder: str) -> None:
    found = aihub.good("show", adder, "--json").json
    assert found["aliases"]["production"] == "1.0.0"
    assert "1.1.0" in aihub.good("show", adder).out


@pytest.mark.parametrize("name", ["no-such-model", "no-such-model@1.0.0", "no-such-model@staging"])
def test_what_is_not_there_is_4(aihub: Command, name: str) -> None:
    aihub.refused(4, "show", name)
    assert aihub.refused(4, "show", name, "--json").failure["exit"] == 4


def test_what_one_may_not_see_is_4(command_of: Callable[[str], Command], adder: str) -> None:
    command_of("outsider").refused(4, "show", adder)


@pytest.mark.parametrize("name", ["@1.0.0", "model@", ""])
def test_what_names_no_model_is_2(aihub: Command, name: str) -> None:
    aihub.refused(2, "show", name)


def test_unknown_options_are_2(aihub: Command) -> None:
    assert aihub("ls", "--colour").code == 2
    assert aihub("juggle").code == 2


def test_what_others_wrote_cannot_steer_the_terminal(hub: Hub, aihub: Command) -> None:
    name = unique("steering")
    body = {"name": name, "task": "tensor", "description": "[red]\x1b[2Jgone"}
    assert hub.client().post("/api/v1/models/", json=body).status_code == 201
    text = aihub.good("show", name).out
    assert "\x1b" not in text
    assert "[red]" in text


def test_an_alias_is_promoted_and_rolled_back(aihub: Command, adder: str) -> None:
    aihub.good("promote", adder, "1.0.0", "--alias", "staging", "-m", "first")
    moved = aihub.good("promote", adder, "^1.1", "-a", "staging", "-m", "better", "--json").json
    assert (moved["alias"], moved["version"]) == ("staging", "1.1.0")
    assert aihub.good("show", f"{adder}@staging", "--json").json["version"] == "1.1.0"
    back = aihub.good("rollback", adder, "-a", "staging", "-m", "worse")
    assert back.out == f"staging of {adder} is 1.0.0 now.\n"


def test_a_move_that_waits_for_approval_is_7(hub: Hub, aihub: Command, adder: str) -> None:
    path = f"/api/v1/models/{adder}/"
    assert hub.client().patch(path, json={"protected_aliases": ["guarded"]}).status_code == 200
    failure = aihub.refused(7, "promote", adder, "1.1.0", "-a", "guarded", "--json").failure
    assert failure["approval"]["state"] == "pending"
    assert "1.0.0" in aihub.refused(7, "promote", adder, "1.0.0", "-a", "guarded").err
    aihub.refused(4, "show", f"{adder}@guarded")


def test_an_incompatible_version_is_promoted_only_where_that_is_meant(
    aihub: Command, adder: str, wider: str
) -> None:
    aihub.good("promote", adder, "1.0.0", "-a", "strict")
    done = aihub.refused(1, "promote", adder, wider, "-a", "strict")
    assert "allow" in done.err
    aihub.good("promote", adder, wider, "-a", "strict", "--allow-incompatible")


def test_there_is_nothing_to_roll_back_to(aihub: Command, adder: str) -> None:
    aihub.refused(4, "rollback", adder, "-a", "never")


def test_a_version_that_is_not_there_is_not_promoted(aihub: Command, adder: str) -> None:
    aihub.refused(4, "promote", adder, "9.9.9")


def test_who_may_not_promote_is_told(
    hub: Hub, command_of: Callable[[str], Command], adder: str
) -> None:
    hub.client().patch(f"/api/v1/models/{adder}/", json={"shared": True})
    command_of("viewer").refused(3, "promote", adder, "1.0.0")


def test_tensors_are_predicted(aihub: Command, adder: str) -> None:
    rows = json.dumps([[1, 2, 3, 4], [0, 0, 0, 0]])
    found = aihub.good("predict", adder, "--json-input", "-", "--json", given=rows).json
    assert found["version"] == "1.0.0"
    assert found["predictions"] == [[2, 3, 4, 5], [1, 1, 1, 1]]
    done = aihub.good("predict", f"{adder}@1.1.0", "--json-input", "-", given=rows)
    assert [json.loads(line) for line in done.out.splitlines()] == [[2, 3, 4, 5], [1, 1, 1, 1]]
    assert "1.1.0" in done.err


def test_inputs_that_do_not_fit_are_1_and_say_what_would(aihub: Command, adder: str) -> None:
    done = aihub.refused(1, "predict", adder, "--json-input", "-", given="[[1, 2]]")
    assert "[-1, 4]" in done.err


@pytest.mark.parametrize("given", ["{", "[1, nan"])
def test_what_is_no_json_is_2(aihub: Command, adder: str, given: str) -> None:
    aihub.refused(2, "predict", adder, "--json-input", "-", given=given)


def test_a_picture_that_is_not_there_is_1(aihub: Command, adder: str, tmp_path: Path) -> None:
    aihub.refused(1, "predict", adder, tmp_path / "none.jpg")


def test_pictures_are_classified(aihub: Command, classifier: Any) -> None:
    found = aihub.good("predict", classifier.name, *classifier.pictures, "--top", 2, "--json").json
    assert [len(ranking) for ranking in found["predictions"]] == [2, 2]
    lines = aihub.good("predict", classifier.name, *classifier.pictures, "--top", 2).out
    assert lines.splitlines()[0].split() == ["input", "label", "score"]
    assert len(lines.splitlines()) == 5

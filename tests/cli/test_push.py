"""`aihub push`: what is sent, once, and what comes of it."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, interrupted, killed, read_until, wait_until
from tests.cli.files import MIB, large_onnx
from tests.cli.relay import Relay, relaying
from tests.contract.calls import unique
from tests.contract.making import SMALL, state_dict_file, tiny_onnx
from tests.hub import Hub

PART = 5 * MIB
PARALLEL = 2


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return large_onnx(tmp_path / "large.onnx")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small model whose content no other test publishes."""
    return large_onnx(tmp_path / "tiny.onnx", 4096)


def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def notes(command: Command) -> list[Any]:
    """What the command remembers of unfinished uploads."""
    found = (command.folder / "state" / "aihub" / "uploads").glob("*.json")
    return [json.loads(path.read_text()) for path in found]


def arrived(hub: Hub, command: Command) -> int:
    """Bytes of the parts that the hub has of the one unfinished upload."""
    (note,) = notes(command)
    upload = hub.client().get(f"/api/v1/uploads/{note['upload']}/").json()
    return sum(part["size"] for part in upload["parts"])


def test_a_file_becomes_a_version(aihub: Command, tiny: Path) -> None:
    name = unique("pushed")
    found = aihub.good("push", name, "1.0.0", tiny, "--task", "tensor", "--json").json
    assert found["version"]["state"] == "ready"
    assert [file["sha256"] for file in found["version"]["files"]] == [sum_of(tiny)]
    assert found["uploads"][0]["bytes_sent"] == tiny.stat().st_size
    assert notes(aihub) == []
    assert aihub.good("show", f"{name}@1.0.0", "--json").json["state"] == "ready"


def test_a_person_reads_how_it_goes(aihub: Command, tiny: Path) -> None:
    name = unique("pushed")
    done = aihub.good("push", name, "1.0.0", tiny, "--task", "tensor")
    assert done.out == f"{name} 1.0.0 is ready.\n"
    assert "scan: done" in done.err
    quiet = aihub.good("push", name, "1.1.0", tiny, "--quiet")
    assert quiet.err == ""


def test_what_is_said_of_it_is_kept(aihub: Command, tmp_path: Path) -> None:
    name, labels = unique("classifier"), tmp_path / "labels.txt"
    labels.write_text("\n".join(json.loads(SMALL["labels"])))
    card = tmp_path / "card.md"
    card.write_text("# A card\n")
    given = (
        *("--architecture", "resnet18", "--labels", labels, "--card", card),
        *("--metrics", "accuracy=0.5", "--metrics", '{"loss": 1.5}'),
        *("--source", "commit=abc", "--description", "At random"),
    )
    aihub.good("push", name, "1.0.0", state_dict_file(tmp_path / "w.pth"), *given)
    found = aihub.good("show", f"{name}@1.0.0", "--json").json
    assert found["metrics"] == {"accuracy": 0.5, "loss": 1.5}
    assert found["source"] == {"commit": "abc"}
    assert (found["labels"][0], found["description"]) == ("class 0", "At random")


def test_labels_may_stand_in_the_command(aihub: Command, tmp_path: Path) -> None:
    given = ("--architecture", "resnet18", "--labels", SMALL["labels"], "--json", "--no-wait")
    weights = state_dict_file(tmp_path / "w.pth")
    found = aihub.good("push", unique("listed"), "1.0.0", weights, *given).json["version"]
    assert found["labels"] == json.loads(SMALL["labels"])
    aihub.refused(2, "push", unique("listed"), "1.0.0", weights, "--labels", tmp_path / "none.txt")
    aihub.refused(2, "push", unique("listed"), "1.0.0", weights, "--labels", "[1, 2")


def test_content_that_the_hub_has_is_not_sent(aihub: Command, tiny: Path, relay: Relay) -> None:
    name = unique("known")
    aihub.good("push", name, "1.0.0", tiny, "--task", "tensor")
    again = ("push", name, "1.1.0", tiny, "--json")
    found = aihub.good(*again, **relay.environ).json
    assert found["version"]["state"] == "ready"
    assert found["uploads"][0]["known"]
    assert relay.sent == 0


def test_the_same_command_twice_is_fine_and_another_file_is_not(
    aihub: Command, tiny: Path, tmp_path: Path
) -> None:
    name = unique("twice")
    aihub.good("push", name, "1.0.0", tiny, "--task", "tensor")
    found = aihub.good("push", name, "v1.0.0", tiny, "--json").json
    assert (found["version"]["state"], found["uploads"]) == ("ready", [])
    other = large_onnx(tmp_path / "other.onnx", 4096)
    failure = aihub.refused(1, "push", name, "1.0.0", other, "--json").failure
    assert "published already" in failure["error"]


@pytest.mark.parametrize("parallel", [1, PARALLEL])
def test_after_kill_9_at_half_only_what_was_under_way_is_sent_again(
    hub: Hub, aihub: Command, large: Path, relay: Relay, parallel: int
) -> None:
    name, size = unique("killed"), large.stat().st_size
    push = ("push", name, "1.0.0", large, "--task", "tensor", "--parallel", parallel, "--json")
    relay.hold_sent_at = size // 2
    process = aihub.begin(*push, **relay.environ)
    assert relay.held.wait(60)
    killed(process)
    there = arrived(hub, aihub)
    assert there >= size // 2 - (parallel + 1) * PART
    with relaying() as second:
        found = aihub.good(*push, **second.environ).json
        assert second.sent == size - there
    assert found["version"]["state"] == "ready"
    assert found["version"]["files"][0]["sha256"] == sum_of(large)
    assert found["uploads"][0]["bytes_sent"] == size - there
    assert relay.sent + second.sent - size <= parallel * PART


def test_ctrl_c_keeps_what_arrived(hub: Hub, aihub: Command, large: Path, relay: Relay) -> None:
    relay.hold_sent_at = 12 * MIB
    push = ("push", unique("stopped"), "1.0.0", large, "--parallel", PARALLEL)
    process = aihub.begin(*push, **relay.environ)
    assert relay.held.wait(60)
    wait_until(lambda: arrived(hub, aihub) > 0, "a part")
    done = interrupted(process)
    assert done.code == 130
    assert "goes on" in done.err
    assert arrived(hub, aihub) > 0


def test_a_connection_that_breaks_is_made_again(aihub: Command, large: Path, relay: Relay) -> None:
    relay.break_sent_at = 8 * MIB
    name = unique("broken")
    push = ("push", name, "1.0.0", large, "--task", "tensor", "--json")
    found = aihub.good(*push, **relay.environ).json
    assert found["version"]["files"][0]["sha256"] == sum_of(large)


def test_a_file_that_is_changed_meanwhile_is_refused_and_begun_anew(
    aihub: Command, large: Path, relay: Relay
) -> None:
    relay.hold_sent_at = 8 * MIB
    name = unique("changed")
    process = aihub.begin("push", name, "1.0.0", large, "--task", "tensor", **relay.environ)
    assert relay.held.wait(60)
    large_onnx(large)
    relay.hold_sent_at = float("inf")
    relay.released.set()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was changed" in err
    found = aihub.good("push", name, "1.0.0", large, "--task", "tensor", "--json").json
    assert found["version"]["files"][0]["sha256"] == sum_of(large)
    assert found["uploads"][0]["bytes_sent"] == large.stat().st_size


def test_content_that_is_spoilt_on_its_way_is_rejected(
    aihub: Command, tiny: Path, relay: Relay
) -> None:
    relay.spoil = b"\x08\x07"
    push = ("push", unique("spoilt"), "1.0.0", tiny, "--task", "tensor", "--json")
    failure = aihub.refused(6, *push, **relay.environ).failure
    assert failure["version"]["state"] == "rejected"
    assert sum_of(tiny) in failure["error"]


def test_two_at_once_of_one_file_do_not_mix(aihub: Command, large: Path, relay: Relay) -> None:
    relay.hold_sent_at = 0
    first = aihub.begin("push", unique("first"), "1.0.0", large, **relay.environ)
    assert relay.held.wait(60)
    assert "Another" in aihub.refused(1, "push", unique("second"), "1.0.0", large).err
    killed(first)


def test_who_may_not_publish_is_told_before_anything_is_sent(
    command_of: Callable[[str], Command], tiny: Path, relay: Relay
) -> None:
    viewer = command_of("viewer")
    viewer.refused(3, "push", unique("denied"), "1.0.0", tiny, **relay.environ)
    assert relay.sent == 0


def test_what_is_wrong_with_the_version_is_told_before_anything_is_sent(
    aihub: Command, tiny: Path, relay: Relay
) -> None:
    push = ("push", unique("wrong"), "one", tiny, "--task", "juggling", "--json")
    failure = aihub.refused(1, *push, **relay.environ).failure
    assert {error["field"] for error in failure["errors"]} == {"version", "task"}
    assert relay.sent == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Name files"),
        (("none.onnx",), "no file"),
        (("folder",), "no files"),
        (("a.bin", "--metrics", "[1]"), "--metrics"),
        (("a.bin", "a.bin"), "Two files"),
    ],
)
def test_wrong_usage_is_2(aihub: Command, arguments: tuple[str, ...], why: str) -> None:
    aihub.folder.mkdir()
    (aihub.folder / "folder").mkdir()
    (aihub.folder / "a.bin").write_bytes(b"1")
    assert why in aihub.refused(2, "push", "model", "1.0.0", *arguments).err


def test_what_is_no_model_is_refused_with_the_hub_s_reason(aihub: Command, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(os.urandom(4096))
    done = aihub.refused(6, "push", unique("garbage"), "1.0.0", file)
    assert "format" in done.err


def test_names_of_files_are_sent_as_they_are(aihub: Command, tmp_path: Path) -> None:
    file = tiny_onnx(tmp_path / "a b;$(touch x) “模型”.onnx")
    found = aihub.good("push", unique("names"), "1.0.0", file, "--task", "tensor", "--json").json
    assert [each["path"] for each in found["version"]["files"]] == [file.name]


def test_without_waiting_it_says_what_is_to_come(aihub: Command, tiny: Path) -> None:
    name = unique("waiting")
    found = aihub.good("push", name, "1.0.0", tiny, "--no-wait", "--json").json
    assert found["version"]["state"] in ("uploading", "processing", "ready")


def test_a_pointer_of_dvc_becomes_a_version_without_sending_bytes(
    hub: Hub, aihub: Command, tiny: Path, relay: Relay, tmp_path: Path
) -> None:
    name = unique("pointed")
    aihub.good("push", name, "1.0.0", tiny, "--task", "tensor")
    found = hub.client().get(f"/api/v1/models/{name}/versions/1.0.0/dvc/").json()
    pointer = tmp_path / "tiny.onnx.dvc"
    pointer.write_text(found["files"][0]["content"])
    again = ("push", name, "1.1.0", "--dvc", pointer, "--json")
    version = aihub.good(*again, **relay.environ).json["version"]
    assert (version["state"], version["files"][0]["sha256"]) == ("ready", sum_of(tiny))
    assert relay.sent == 0


@pytest.mark.slow
def test_without_a_worker_it_says_so_and_goes_on_with_one(
    hub: Hub, aihub: Command, tiny: Path
) -> None:
    hub.kill_worker()
    hub.age_heartbeats("celery")
    process = aihub.begin("push", unique("stalled"), "1.0.0", tiny, "--task", "tensor")
    read_until(process, "No worker")
    hub.restart_worker()
    out, _ = process.communicate(timeout=60)
    assert "is ready" in out
    wait_until(lambda: hub.anonymous().get("/readyz").status_code == 200, "a ready hub")

"""`aihub pull`: the content that was published, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aihub.cli.failures import Failure
from aihub.cli.targets import target
from tests.cli.command import Command, killed
from tests.cli.files import MIB, large_onnx
from tests.cli.relay import STORE, Relay, relaying
from tests.contract.calls import published, unique
from tests.hub import Hub

PIECE = 16 * MIB


@dataclass(frozen=True)
class Large:
    """A published version of one file."""

    name: str
    file: Path

    @property
    def content(self) -> bytes:
        return self.file.read_bytes()


@pytest.fixture(scope="module")
def large(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Large:
    name = unique("large")
    file = large_onnx(tmp_path_factory.mktemp("large") / "large.onnx", 50 * MIB)
    published(hub, name, "1.0.0", file, task="tensor")
    return Large(name, file)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("work-"))


def test_a_version_is_fetched_and_not_twice(aihub: Command, large: Large) -> None:
    found = aihub.good("pull", large.name, "--json").json
    assert found["files"][0]["fetched"]
    folder = aihub.folder / f"{large.name}-1.0.0"
    assert (folder / "large.onnx").read_bytes() == large.content
    assert left(folder) == ["large.onnx"]
    with relaying() as relay:
        again = aihub.good("pull", large.name, "--json", **relay.environ).json
        assert relay.received == 0
    assert not again["files"][0]["fetched"]


def test_another_file_of_that_name_is_replaced(
    aihub: Command, large: Large, tmp_path: Path
) -> None:
    (tmp_path / "large.onnx").write_bytes(b"other")
    aihub.good("pull", f"{large.name}@1.0.0", "-o", tmp_path)
    assert (tmp_path / "large.onnx").read_bytes() == large.content


def test_a_connection_that_breaks_is_made_again_for_the_rest(
    aihub: Command, large: Large, relay: Relay, tmp_path: Path
) -> None:
    relay.break_received_at = 20 * MIB
    aihub.good("pull", large.name, "-o", tmp_path, **relay.environ)
    assert (tmp_path / "large.onnx").read_bytes() == large.content
    assert relay.received < len(large.content) + 2 * MIB


def test_after_kill_9_only_what_was_under_way_is_fetched_again(
    aihub: Command, large: Large, relay: Relay, tmp_path: Path
) -> None:
    relay.hold_received_at = 36 * MIB
    pull = ("pull", large.name, "-o", tmp_path, "--parallel", 2)
    process = aihub.begin(*pull, **relay.environ)
    assert relay.held.wait(60)
    killed(process)
    assert left(tmp_path)[0] == "large.onnx.part"
    with relaying() as second:
        aihub.good(*pull, **second.environ)
        assert relay.received + second.received <= len(large.content) + 3 * PIECE
    assert (tmp_path / "large.onnx").read_bytes() == large.content
    assert left(tmp_path) == ["large.onnx"]


def test_content_that_is_not_what_was_published_is_not_kept(
    aihub: Command, large: Large, relay: Relay, tmp_path: Path
) -> None:
    relay.spoil = b"spoilt"
    done = aihub.refused(1, "pull", large.name, "-o", tmp_path, **relay.environ)
    assert "SHA-256" in done.err
    assert left(tmp_path) == []


def test_a_store_that_it_is_led_to_never_learns_who_calls(
    aihub: Command, large: Large, relay: Relay, tmp_path: Path
) -> None:
    relay.store = large.content
    aihub.good("pull", large.name, "-o", tmp_path, **relay.environ)
    assert (tmp_path / "large.onnx").read_bytes() == large.content
    there = [request for request in relay.passed if request.url.startswith(STORE)]
    assert len(there) > 1
    assert all("authorization" not in request.headers for request in there)
    assert not any("aihub" in str(request.headers).lower() for request in there)


def test_what_is_not_there_or_not_to_be_seen_is_4(
    aihub: Command, command_of: Callable[[str], Command], large: Large
) -> None:
    aihub.refused(4, "pull", f"{large.name}@7.0.0")
    aihub.refused(4, "pull", f"{large.name}@^7")
    command_of("outsider").refused(4, "pull", large.name)


def test_what_is_in_the_way_is_told(aihub: Command, large: Large, tmp_path: Path) -> None:
    (tmp_path / "large.onnx").mkdir()
    assert "folder" in aihub.refused(1, "pull", large.name, "-o", tmp_path).err


def test_a_link_in_place_of_the_part_is_not_followed(
    aihub: Command, large: Large, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "large.onnx.part").symlink_to(secret)
    aihub.refused(1, "pull", large.name, "-o", tmp_path / "into")
    assert secret.read_text() == "kept"


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", "a/../../x", "..", "", "a\\..\\x", "C:x", "a\nb", "a\0b", "link/x"],
)
def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "link").symlink_to("/tmp")
    with pytest.raises(Failure):
        target(tmp_path, path)


@pytest.mark.parametrize("path", [".git/config", "a/.Git/hooks/x", ".git"])
def test_git_is_told_nothing_by_a_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(Failure, match="Git's own"):
        target(tmp_path, path)


def test_paths_within_the_folder_are_taken(tmp_path: Path) -> None:
    assert target(tmp_path, ".gitignore") == tmp_path / ".gitignore"
    assert target(tmp_path, "variables/data..bin") == tmp_path / "variables" / "data..bin"

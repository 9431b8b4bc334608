"""People at a terminal: the command, signed in to the running hub."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.cli.command import Command
from tests.cli.files import large_onnx
from tests.cli.relay import Relay, relaying
from tests.contract.calls import published, unique
from tests.contract.making import SMALL, photograph, state_dict_file, tiny_onnx
from tests.hub import Hub


@pytest.fixture(scope="session")
def configs(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The configuration of a person of the cast who is signed in; each signs in once."""
    made: dict[str, Path] = {}

    def of(user: str) -> Path:
        if user not in made:
            made[user] = tmp_path_factory.mktemp(f"config-{user}")
            command = Command(hub.url, made[user] / "work", made[user])
            given = ("login", "--url", hub.url, "--username", user, "--password-stdin")
            command.good(*given, given=PASSWORD + "\n")
        return made[user]

    return of


@pytest.fixture
def command_of(
    hub: Hub, configs: Callable[[str], Path], tmp_path: Path
) -> Callable[[str], Command]:
    """`command_of(user)`: the command of a person who is signed in."""

    def of(user: str) -> Command:
        return Command(hub.url, tmp_path / f"work-{user}", configs(user))

    return of


@pytest.fixture
def aihub(command_of: Callable[[str], Command]) -> Command:
    """The administrator's command."""
    return command_of("admin")


@pytest.fixture
def nobody(hub: Hub, tmp_path: Path) -> Command:
    """The command of who never signed in."""
    return Command(hub.url, tmp_path / "work-nobody", tmp_path / "config-nobody")


@pytest.fixture
def relay() -> Iterator[Relay]:
    with relaying() as running:
        yield running


@pytest.fixture(scope="session")
def adder(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small model of tensors, `y = x + 1` on [N, 4], with two versions; 1.0.0 in production."""
    name = unique("adder")
    file = tiny_onnx(tmp_path_factory.mktemp("adder") / "tiny.onnx")
    for version in ("1.0.0", "1.1.0"):
        published(hub, name, version, file, task="tensor")
    answer = hub.client().put(
        f"/api/v1/models/{name}/aliases/production/", json={"version": "1.0.0"}
    )
    assert answer.status_code == 200
    return name


@dataclass(frozen=True)
class Classifier:
    name: str
    pictures: tuple[Path, ...]


@pytest.fixture(scope="session")
def classifier(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A classifier of pictures with weights at random, and two photographs."""
    name = unique("classifier")
    file = state_dict_file(tmp_path_factory.mktemp("classifier") / "weights.pth")
    published(hub, name, "1.0.0", file, **SMALL)
    return Classifier(name, (photograph("coffee.png"), photograph("chelsea.png")))


@pytest.fixture(scope="session")
def wider(hub: Hub, adder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A version of `adder` that takes another input: who calls it would notice."""
    file = large_onnx(tmp_path_factory.mktemp("wider") / "wider.onnx", 4096)
    published(hub, adder, "0.9.0", file)
    return "0.9.0"

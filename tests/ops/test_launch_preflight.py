"""What keeps the hub from starting gets one sentence that says what to do."""

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aihub import env
from ops.launch import preflight
from ops.launch.preflight import CannotStart
from tests.ops.launching import Program, plain_environ
from tests.ports import free_pair, free_port


def test_it_accepts_this_machine(tmp_path: Path) -> None:
    preflight.check_python(sys.version_info[:2])
    preflight.check_home(tmp_path / "home")
    preflight.check_port("127.0.0.1", free_port())


@pytest.mark.parametrize("version", [(2, 7), (3, 10)])
def test_it_names_the_python_it_needs(version: tuple[int, int]) -> None:
    with pytest.raises(CannotStart, match=r"needs Python 3\.11 or newer; this is Python"):
        preflight.check_python(version)


def test_it_makes_a_home_that_only_its_owner_reads(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    preflight.check_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert list(home.iterdir()) == []


def test_it_names_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CannotStart, match=r"file/home cannot be written to .* set AIHUB_HOME"):
        preflight.check_home(file / "home")


def test_it_names_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"is full: \d+ MB are free and the hub needs \d+ MB"):
        preflight.check_disk(tmp_path, needed=10**18)


def test_it_names_a_taken_port() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Port {port} of 127.0.0.1 is taken .* AIHUB_PORT"):
            preflight.check_port("127.0.0.1", port)


def test_grpc_takes_the_next_port_where_that_is_free() -> None:
    port = free_pair()
    environ = {"AIHUB_PORT": str(port)}
    assert preflight.grpc_port(env.read(environ)) == port + 1
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + 1))
        other.listen()
        assert preflight.grpc_port(env.read(environ)) == 0
        asked = env.read(environ | {"AIHUB_GRPC_PORT": str(port + 1)})
        with pytest.raises(CannotStart, match=r"is taken .* AIHUB_GRPC_PORT"):
            preflight.grpc_port(asked)


def test_it_names_an_address_that_is_not_of_this_machine() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1 .* AIHUB_HOST"):
        preflight.check_port("192.0.2.1", free_port())


def test_a_second_hub_in_the_same_home_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    holder = (
        "import sys, pathlib; from ops.launch import preflight\n"
        "with preflight.only_hub(pathlib.Path(sys.argv[1])): print('held'); input()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with pytest.raises(CannotStart, match=rf"already runs in .* \(process {first.pid}\)"):
            _hold(tmp_path)
        first.kill()
    _hold(tmp_path)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AIHUB_PORT": "http"}, "AIHUB_PORT=http does not fit"),
        ({"DATABASE_URL": "postgres://db/hub"}, "DATABASE_URL="),
        ({"AIHUB_HOME": "/dev/null/home"}, "set AIHUB_HOME to a folder of yours"),
    ],
)
def test_the_launcher_ends_with_one_sentence(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    program = Program(["-m", "ops.launch"], plain_environ(tmp_path) | variables)
    assert program.read_to_end() == 1
    assert len(program.said) == 1, program.text
    assert program.said[0].startswith("AIHub cannot start. ")
    assert sentence in program.said[0]


def test_a_taken_port_ends_the_launcher_with_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        environ = plain_environ(tmp_path, AIHUB_PORT=str(other.getsockname()[1]))
        program = Program(["-m", "ops.launch"], environ)
        assert program.read_to_end() == 1
    assert len(program.said) == 1, program.text
    assert program.said[0].startswith("AIHub cannot start. Port ")


def _hold(home: Path) -> None:
    with preflight.only_hub(home):
        pass

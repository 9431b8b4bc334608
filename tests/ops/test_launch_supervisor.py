"""The supervisor, with small programs in the place of the roles."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.launch.child import readable, rotate, tail
from tests.ops.launching import Program, plain_environ, processes_of, wait_until

# Supervises the programs named in its first argument, as the launcher does the roles.
SUPERVISE = """
import json, os, signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started with
import django
from django.conf import settings
settings.configure()
from django.core.management.base import OutputWrapper
from django.core.management.color import no_style
from ops.launch.child import Role
from ops.launch.console import Console
from ops.launch.preflight import CannotStart
from ops.launch.supervisor import Supervisor
home = Path(os.environ["AIHUB_HOME"])
roles = [
    Role(name, (sys.executable, "-u", "-c", code), os.environ, home / f"{name}.log")
    for name, code in json.loads(sys.argv[1]).items()
]
try:
    Supervisor(roles, Console(OutputWrapper(sys.stdout), no_style()), patience=3).run()
except CannotStart as reason:
    sys.exit(str(reason))
"""
MARK = """
import os, pathlib
pathlib.Path(os.environ["AIHUB_HOME"], f"%s.{os.getpid()}").touch()
"""
SLEEP = "import time; time.sleep(600)\n"
CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"

Supervise = Callable[..., Program]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def supervise(home: Path) -> Iterator[Supervise]:
    """Start a supervisor over programs; each leaves a file NAME.PID once it runs."""
    started: list[Program] = []

    def start(**programs: str) -> Program:
        marked = {name: code.replace("MARK", MARK % name) for name, code in programs.items()}
        arguments = ["-c", SUPERVISE, json.dumps(marked)]
        started.append(Program(arguments, plain_environ(home)))
        return started[-1]

    yield start
    for program in started:
        program.close()
    for process in processes_of(home):
        process.kill()


def pids(home: Path, name: str) -> list[int]:
    return [int(path.suffix[1:]) for path in home.glob(f"{name}.[0-9]*")]


def wait_for(home: Path, name: str, count: int = 1) -> list[int]:
    wait_until(lambda: len(pids(home, name)) >= count, f"{name} to run {count} times")
    return pids(home, name)


def test_ctrl_c_stops_every_process(home: Path, supervise: Supervise) -> None:
    program = supervise(a=CHILD + "MARK" + SLEEP, b="MARK" + SLEEP)
    wait_for(home, "a")
    wait_for(home, "b")
    assert program.interrupt() == 0
    assert program.said[-1].endswith("Stopped.")
    assert processes_of(home) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_stop_it(home: Path, supervise: Supervise, number: int) -> None:
    program = supervise(a="MARK" + SLEEP)
    wait_for(home, "a")
    program.process.send_signal(number)
    assert program.read_to_end() == 0
    assert processes_of(home) == []


def test_a_role_that_does_not_listen_is_ended(home: Path, supervise: Supervise) -> None:
    program = supervise(a=DEAF + "MARK" + SLEEP)
    wait_for(home, "a")
    assert program.interrupt() == 0
    assert processes_of(home) == []


def test_a_second_ctrl_c_does_not_wait(home: Path, supervise: Supervise) -> None:
    program = supervise(a=DEAF + "MARK" + SLEEP)
    wait_for(home, "a")
    program.process.send_signal(signal.SIGINT)
    program.read_until("Ctrl-C again")
    assert program.interrupt() == 0
    assert processes_of(home) == []


def test_a_killed_role_is_started_again(home: Path, supervise: Supervise) -> None:
    program = supervise(a=CHILD + "MARK" + SLEEP, b="MARK" + SLEEP)
    (first,) = wait_for(home, "a")
    (other,) = wait_for(home, "b")
    os.kill(first, signal.SIGKILL)
    line = program.read_until("The a ended")
    assert "SIGKILL" in line
    assert "starting it again in 0.5 s" in line
    wait_for(home, "a", 2)
    assert pids(home, "b") == [other]
    # Nothing that the first one had started is left: b, a, a's child, and the supervisor.
    assert len(processes_of(home)) == 4


def test_a_role_that_never_starts_ends_it_with_the_reason(home: Path, supervise: Supervise) -> None:
    program = supervise(a="raise SystemExit('no such database')", b="MARK" + SLEEP)
    assert program.read_to_end() == 1
    assert program.text.count("│ no such database") == 1
    assert [line for line in program.said if "starting it again in" in line][-1].endswith("4 s.")
    assert "The a fails again and again; its log is" in program.said[-1]
    assert processes_of(home) == []


def test_kill_9_of_the_supervisor_leaves_no_process(home: Path, supervise: Supervise) -> None:
    program = supervise(a="MARK" + SLEEP, b="MARK" + SLEEP)
    wait_for(home, "a")
    wait_for(home, "b")
    program.process.kill()
    wait_until(lambda: not processes_of(home), "the children to end")


def test_a_large_log_is_moved_aside(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("x" * 100)
    rotate(log, limit=100)
    assert log.exists()
    rotate(log, limit=99)
    assert not log.exists()
    assert (tmp_path / "a.log.1").read_text() == "x" * 100


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert tail(log) == []
    log.write_text("".join(f"{number}\n" for number in range(30)))
    assert tail(log, lines=2) == ["28", "29"]
    assert tail(log, since=log.stat().st_size) == []


def test_a_person_reads_what_machines_are_told() -> None:
    line = {"log": {"level": "error"}, "message": "it fails", "process": {"pid": 1}}
    assert readable(json.dumps(line)) == ["error: it fails"]
    traced = {**line, "error": {"stack_trace": "Traceback:\n  here"}}
    assert readable(json.dumps(traced)) == ["error: it fails", "Traceback:", "  here"]
    for text in ("Segmentation fault", "[1]", '"text"', '{"log": 1}', "null"):
        assert readable(text) == [text]

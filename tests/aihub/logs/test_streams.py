"""A program of a role says nothing that is no line of the log."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aihub.env import BASE_DIR
from aihub.logs.streams import Printed
from tests.ops.launching import plain_environ


def lines_of(program: str, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run a program as a role does; its lines, all of which must be JSON."""
    file = folder / "program.py"
    file.write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "aihub.logs", str(file), *arguments],
        cwd=BASE_DIR,
        env=plain_environ(folder, AIHUB_ROLE="worker", AIHUB_ADMIN_PASSWORD="correct-horse"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_what_is_printed_is_a_record_a_line(tmp_path: Path) -> None:
    program = "import sys; print('one', sys.argv[1]); print('two', end=''); print(' parts\\n\\n')"
    lines = lines_of(f"{program}; print('three', file=sys.stderr)", tmp_path, "argument")
    said = [(line["log"]["logger"], line["log"]["level"], line["message"]) for line in lines]
    assert said == [
        ("stdout", "info", "one argument"),
        ("stdout", "info", "two parts"),
        ("stderr", "warning", "three"),
    ]
    assert lines[0]["service"]["node"]["role"] == "worker"
    assert lines[0]["log"]["origin"]["file"]["name"] == "program.py"


def test_a_progress_bar_is_a_record_each_time_it_is_drawn(caplog: pytest.LogCaptureFixture) -> None:
    stream = Printed(io.StringIO(), "stderr", logging.WARNING)
    for text in ("\r 10 %", "\r 20 %", "\r100 %\r\n", "unfinished"):
        stream.write(text)
    assert caplog.messages == [" 10 %", " 20 %", "100 %"]


def test_of_a_line_without_end_only_the_beginning_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    stream = Printed(io.StringIO(), "stderr", logging.WARNING)
    for text in ("first" + "." * 5000, "." * 5000, "last\n", "next\n"):
        stream.write(text)
    long, following = caplog.messages
    assert long.startswith("first.")
    assert len(long) < 8300
    assert following == "next"


@pytest.mark.parametrize(
    ("program", "kind", "where"),
    [
        ("raise ValueError('password=hunter2222')", "ValueError", "aihub.uncaught"),
        (
            "import threading\ndef f(): raise KeyError('x')\n"
            "t = threading.Thread(target=f); t.start(); t.join()",
            "KeyError",
            "aihub.uncaught",
        ),
        ("class A:\n  def __del__(self): 1 / 0\nA()", "ZeroDivisionError", "aihub.uncaught"),
    ],
)
def test_what_nobody_catches_is_one_line(
    program: str, kind: str, where: str, tmp_path: Path
) -> None:
    (line,) = lines_of(program, tmp_path)
    assert (line["error"]["type"], line["log"]["logger"]) == (kind, where)
    assert "Traceback" in line["error"]["stack_trace"]
    assert "hunter2222" not in json.dumps(line)


def test_warnings_and_last_words_are_lines(tmp_path: Path) -> None:
    program = "import sys, warnings; warnings.warn('beware'); sys.exit('It cannot start.')"
    warned, ended = lines_of(program, tmp_path)
    assert warned["log"]["logger"] == "py.warnings"
    assert "beware" in warned["message"]
    assert ended["message"] == "It cannot start."


def test_a_handler_that_fails_does_not_run_in_circles(tmp_path: Path) -> None:
    program = "import logging; logging.warning('%d', 'no number'); logging.warning('after')"
    lines = lines_of(program, tmp_path)
    assert [line["message"] for line in lines][-1] == "after"


def test_secrets_of_the_environment_are_not_said(tmp_path: Path) -> None:
    (line,) = lines_of("print('it is correct-horse')", tmp_path)
    assert line["message"] == "it is [hidden]"

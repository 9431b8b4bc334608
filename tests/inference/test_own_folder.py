"""Folders of one piece of work: locked while they are used, and swept where a worker was killed."""

import os
import subprocess
import sys
from pathlib import Path

from inference.own_folder import YOUNG, own_folder, sweep

HOLDS = """
import sys
from pathlib import Path
from inference.own_folder import own_folder
with own_folder(Path(sys.argv[1])) as folder:
    (folder / "work").mkdir()
    (folder / "work" / "file").write_bytes(b"1")
    print(folder, flush=True)
    sys.stdin.read()
"""


def aged(folder: Path) -> None:
    then = folder.stat().st_mtime - YOUNG - 1
    os.utime(folder, (then, then))


def test_nothing_is_left_of_a_folder(tmp_path: Path) -> None:
    with own_folder(tmp_path / "place") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"1")
        (folder / "deep").chmod(0)
    assert list((tmp_path / "place").iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_is_used_is_not(tmp_path: Path) -> None:
    command = (sys.executable, "-c", HOLDS, str(tmp_path))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        aged(folder)
        sweep(tmp_path)
        assert (folder / "work" / "file").exists()
        process.kill()
    with own_folder(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [own]


def test_a_folder_that_is_just_made_stays(tmp_path: Path) -> None:
    (tmp_path / "young").mkdir()
    sweep(tmp_path)
    assert (tmp_path / "young").exists()

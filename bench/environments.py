"""The environments of the peers: one each, made when it is first needed."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from bench.places import BENCH, VENVS

REQUIREMENTS = BENCH / "peers" / "requirements"


def python_of(name: str) -> Path:
    """The interpreter of an environment that holds `requirements/<name>.txt`."""
    folder, wanted = VENVS / name, _wanted(name)
    stamp = folder / "installed.txt"
    python = folder / "bin" / "python"
    if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
        print(f"Installing {name} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([python, *quiet, "-r", REQUIREMENTS / f"{name}.txt"], check=True)
        stamp.write_text(wanted)
    return python


def _wanted(name: str) -> str:
    """What is pinned, and for which Python."""
    files = (REQUIREMENTS / f"{name}.txt", REQUIREMENTS / "models.txt")
    return "".join([sys.version, *(file.read_text() for file in files)])


def check_wrk() -> None:
    """Exits with what to do where wrk is missing."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmarks need wrk: sudo apt-get install wrk")

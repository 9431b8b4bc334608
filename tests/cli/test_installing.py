"""`pip install .` in an empty environment gives a command that works, and nothing of the hub."""

import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from aihub import __version__
from aihub.env import BASE_DIR


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the project installed in it, and beside it only what that names."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    source = _source(tmp_path_factory.mktemp("source"))
    apart = ("--no-deps", "--no-index")
    _pip("wheel", *apart, "--no-build-isolation", "--wheel-dir", str(source), str(source))
    wheel = next(source.glob("*.whl"))
    _pip("--python", str(folder / "bin" / "python"), "install", *apart, str(wheel))
    site = next((folder / "lib").glob("python*/site-packages"))
    for needed in _needs("aihub", site):
        _link(needed, site)
    return folder


def test_the_command_works(environment: Path) -> None:
    said = _run(environment / "bin" / "aihub", "--version")
    assert said == f"aihub {__version__}\n"
    assert "push" in _run(environment / "bin" / "aihub", "--help")
    assert "push" in _run(environment / "bin" / "python", "-m", "aihub.cli", "--help")


def test_it_brings_nothing_of_the_hub(environment: Path) -> None:
    script = """
import sys
import aihub.cli.main
heavy = {"django", "torch", "numpy", "boto3", "registry", "inference", "ops", "aihub.env"}
print(sorted(heavy & set(sys.modules)))
"""
    assert _run(environment / "bin" / "python", "-c", script) == "[]\n"


def _source(folder: Path) -> Path:
    """The project as it stands, apart: a build leaves files beside what it builds."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "aihub"):
        (folder / name).symlink_to(BASE_DIR / name)
    return folder


def _pip(*args: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _needs(name: str, site: Path) -> list[Distribution]:
    """What a distribution needs, and what that brings, from the environment of the tests."""
    found: dict[str, Distribution] = {}
    installed = next(iter(Distribution.discover(name=name, path=[str(site)])))
    left = [installed]
    while left:
        for text in left.pop().requires or []:
            needed = Requirement(text)
            marked = not needed.marker or needed.marker.evaluate({"extra": ""})
            if marked and needed.name not in found:
                found[needed.name] = distribution(needed.name)
                left.append(found[needed.name])
    return list(found.values())


def _link(needed: Distribution, site: Path) -> None:
    """Have a distribution's files in another environment too."""
    tops = {Path(str(file)).parts[0] for file in needed.files or [] if ".." not in str(file)}
    for top in tops - {"__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(needed.locate_file(top))))


def _run(*command: object) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd="/", env={}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

"""What must hold of the repository as a whole."""

import re
import subprocess
from dataclasses import fields
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import polib
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aihub.env import BASE_DIR, Env

APPS = ("aihub", "registry", "inference", "ops")
LONGEST_MODULE = 400  # lines
# Package registries, as pieces: where packages come from is the business of who installs them.
REGISTRIES = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("pytorch", "org"),
    ("debian", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
)
CATALOGUES = sorted(BASE_DIR.glob("*/locale/*/LC_MESSAGES/*.po"))


def test_every_variable_is_documented_and_nothing_else() -> None:
    text = (BASE_DIR / "docs" / "configuration.md").read_text()
    documented = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(field.name for field in fields(Env))


def test_no_file_names_a_package_registry() -> None:
    words = [".".join(parts).encode() for parts in REGISTRIES]
    naming = [path for path in _files() if any(word in path.read_bytes() for word in words)]
    assert naming == []


def test_no_module_is_too_long() -> None:
    long = {
        str(path.relative_to(BASE_DIR)): count
        for path in _files()
        if path.suffix == ".py" and path.relative_to(BASE_DIR).parts[0] in APPS
        if "migrations" not in path.parts
        if (count := len(path.read_text().splitlines())) >= LONGEST_MODULE
    }
    assert long == {}


def test_there_are_catalogues() -> None:
    assert CATALOGUES


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.parent.parent.name))
def test_compiled_translations_are_those_of_the_catalogue(path: Path) -> None:
    catalogue = polib.pofile(str(path))
    assert [entry.msgid for entry in catalogue if entry.fuzzy] == []
    compiled = {_key(entry): _text(entry) for entry in polib.mofile(str(path.with_suffix(".mo")))}
    assert compiled == {_key(entry): _text(entry) for entry in catalogue.translated_entries()}


def test_what_the_laptop_needs_is_pinned_with_production() -> None:
    assert set(_requirements("requirements-embedded.txt")) <= set(_pins())


def test_what_the_laptop_needs_compiles_nothing() -> None:
    assert "mysqlclient" not in _requirements("requirements-embedded.txt")


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_the_pins_are_what_these_tests_ran_with(file: str) -> None:
    installed = {name: _plain_version(distribution(name)) for name in _requirements(file)}
    assert installed == {
        name: str(requirement.specifier).removeprefix("==")
        for name, requirement in _requirements(file).items()
    }


def test_dvc_is_pinned_as_these_tests_ran_with_it() -> None:
    (libraries,) = (BASE_DIR / ".venv" / "dvc" / "lib").glob("python*/site-packages")
    wanted = _requirements("requirements-dvc.txt")
    found = {
        canonicalize_name(one.name): f"=={one.version}"
        for one in distributions(path=[str(libraries)])
    }
    assert {name: str(one.specifier) for name, one in wanted.items()}.items() <= found.items()


def test_production_pins_everything_that_it_brings() -> None:
    pinned = set(_pins())
    missing = {
        f"{name} needs {needed}"
        for name in pinned
        for needed in _needs(distribution(name))
        if needed not in pinned
    }
    assert missing == set()


def _files() -> list[Path]:
    """Files under version control, and those that will be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
    paths = (BASE_DIR / name for name in done.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def _requirements(file: str) -> dict[str, Requirement]:
    """What a file requires of the Python that runs this."""
    lines = (BASE_DIR / file).read_text().splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(requirement.name): requirement
        for requirement in parsed
        if not requirement.marker or requirement.marker.evaluate()
    }


def _pins() -> dict[str, Requirement]:
    pins = _requirements("requirements.txt")
    assert all(str(pin.specifier).startswith("==") for pin in pins.values())
    return pins


def _plain_version(installed: Distribution) -> str:
    """Its version without a local part: a CPU build of torch is torch."""
    return installed.version.partition("+")[0]


def _needs(installed: Distribution) -> list[str]:
    """What it needs here, without extras."""
    requirements = map(Requirement, installed.requires or [])
    return [
        canonicalize_name(requirement.name)
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    ]


def _key(entry: polib.POEntry) -> tuple[str | None, str]:
    return entry.msgctxt, entry.msgid


def _text(entry: polib.POEntry) -> object:
    return entry.msgstr_plural or entry.msgstr

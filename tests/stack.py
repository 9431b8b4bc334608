"""What the tests run on, made before Django reads its settings.

`--stack=embedded` (the default) is a laptop's: SQLite and local files. `--stack=services` is
production's: MariaDB, Redis and an S3 server, private to the session. `--stack=external` takes
servers that run already, empty ones that are the tests' alone (`tests.external` says by which
variables). Nothing else that the person at the keyboard has in the environment reaches the tests.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aihub.env import Env

if TYPE_CHECKING:
    from tests.places import Places

SECRET = "a secret of the tests, long enough for the hub"


@dataclass
class Stack:
    """The session's folder and services; hands out environments that share nothing."""

    name: str
    folder: Path
    services: "Places | None" = None
    given: int = 0

    def environ(self, who: str) -> dict[str, str]:
        """The variables of a hub of its own: its folder, database, bucket and Redis numbers."""
        variables = {
            "AIHUB_HOME": str(self.folder / who),
            "AIHUB_SECRET_KEY": SECRET,
            "AIHUB_OPTIMISE": "false",  # compiling in the background would slow every test
        }
        if self.services:
            variables |= self.services.environ(who, self.given)
        self.given += 1
        return variables


KEY = pytest.StashKey[Stack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=("embedded", "services", "external"),
        default="embedded",
        help="what the tests run on: SQLite and files, or MariaDB, Redis and S3, or such as run",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Make the stack and its environment; pytest-django reads the settings after this."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it cleans up as on Ctrl-C
    cleanup = ExitStack()
    early_config.add_cleanup(cleanup.close)
    stack = cleanup.enter_context(_stack(early_config.known_args_namespace.stack))
    early_config.stash[KEY] = stack
    cleanup.enter_context(_environment(stack.environ("tests")))
    return (yield)


def pytest_report_header(config: pytest.Config) -> str:
    return f"stack: {config.stash[KEY].name}"


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Stack:
    """What the session runs on."""
    return pytestconfig.stash[KEY]


@contextmanager
def _stack(name: str) -> Iterator[Stack]:
    stack = Stack(name, Path(tempfile.mkdtemp(prefix="aihub-tests-")))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, stack.folder, ignore_errors=True)
        if name == "services":
            from tests.services import running_services

            stack.services = cleanup.enter_context(running_services(stack.folder)).places
        elif name == "external":
            from tests.external import external_places

            stack.services = cleanup.enter_context(external_places(os.environ))
        yield stack


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Only these of the hub's variables, while the session lasts."""
    before = dict(os.environ)
    for field in fields(Env):
        os.environ.pop(field.name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

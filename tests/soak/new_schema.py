"""A plugin for the tests of another version of the hub: its hubs meet the schema of this one."""

import os
import subprocess
import sys
from typing import Any

import pytest


@pytest.hookimpl
def pytest_collection_modifyitems() -> None:
    """Once the other version's `tests.hub` is there, and before any hub is started."""
    from tests.hub import Hub

    start = Hub.start

    def start_on_new_schema(self: Any, *arguments: Any) -> None:
        migrate = (sys.executable, "manage.py", "migrate", "--verbosity=0")
        subprocess.run(migrate, cwd=os.environ["NEW_CODE"], env=self.environ, check=True)
        start(self, *arguments)

    Hub.start = start_on_new_schema  # type: ignore[method-assign]

"""What every test has: the cast, a running hub, a database like the real one, no network."""

import errno
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from tests.stack import Stack

pytest_plugins = ["tests.cast", "tests.hub"]

# Quick for tests; what a test asks of passwords holds for any hasher.
FAST_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def _fast_settings() -> Iterator[None]:
    """Quick hashes; and static files are looked for when asked for, not by every new client."""
    with override_settings(PASSWORD_HASHERS=FAST_HASHERS, WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """SQLite in a file as in production: in memory it locks and journals in other ways."""
    from django.db import connections

    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(settings.HOME / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _no_network(stack: Stack) -> Iterator[None]:
    """A test that reaches beyond this machine and its services fails at once and says so."""
    connect = socket.socket.connect
    services = stack.services.addresses() if stack.services else set()

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not (
            address[0] in services or _is_here(address[0])
        ):
            raise OSError(errno.ENETUNREACH, f"a test wants to reach {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def _is_here(host: str) -> bool:
    return host in ("", "localhost") or ip_address(host).is_loopback


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI is set, a skipped test is a failure: nothing may go unseen."""
    if _skipped(session.config) and os.environ.get("CI"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    if _skipped(config) and os.environ.get("CI"):
        terminalreporter.section("skipped in CI, where nothing may be", red=True)


def _skipped(config: pytest.Config) -> list[Any]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter else []

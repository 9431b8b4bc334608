"""Private MariaDB, Redis and S3 servers: real ones, on free ports, gone with the session."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mirakuru import HTTPExecutor, TCPExecutor
from mirakuru.exceptions import ExecutorError

from aihub.env import BASE_DIR
from ops.launch.child import tail, tethered
from tests.places import Places
from tests.ports import free_ports

STARTS_WITHIN = 60  # seconds, for one service on a busy machine
S3_KEY, S3_SECRET = "tests", "tests-secret-key"


@dataclass(frozen=True)
class Services:
    """Where the servers listen."""

    mysql_port: int
    redis_port: int
    s3_port: int
    servers: dict[str, TCPExecutor] = field(default_factory=dict)

    def kill(self, name: str) -> None:
        """kill -9 of `mysql`, `redis` or `s3`; `servers[name].start()` brings it back."""
        self.servers[name].kill(wait=True)

    @property
    def places(self) -> Places:
        """How to make a place of one's own in each."""
        return Places(
            f"mysql://root@127.0.0.1:{self.mysql_port}",
            f"redis://127.0.0.1:{self.redis_port}",
            f"http://127.0.0.1:{self.s3_port}",
            S3_KEY,
            S3_SECRET,
        )

    def environ(self, who: str, number: int) -> dict[str, str]:
        """As `Places.environ`."""
        return self.places.environ(who, number)


@contextmanager
def running_services(folder: Path) -> Iterator[Services]:
    """Start all three in `folder`, and stop them."""
    with ExitStack() as stack:
        services = Services(*free_ports(3))
        for name, start in (
            ("mysql", _mariadb(folder / "mariadb", services.mysql_port)),
            ("redis", _redis(folder / "redis", services.redis_port)),
            ("s3", s3_server(folder / "s3", services.s3_port)),
        ):
            services.servers[name] = stack.enter_context(start)
        yield services


@contextmanager
def running(
    command: tuple[str, ...], folder: Path, port: int, ready: str = ""
) -> Iterator[TCPExecutor]:
    """Run a server while the block lasts; its log is shown if it does not start.

    It has started once it takes connections, or, where `ready` is a path, answers that.
    """
    log = folder / "log"
    with log.open("wb") as output:
        how: dict[str, Any] = {
            "cwd": str(BASE_DIR),
            "timeout": STARTS_WITHIN,
            "stdin": subprocess.DEVNULL,
            "stdout": output,
            "stderr": subprocess.STDOUT,
            "expected_returncode": 0,
        }
        executor = (
            HTTPExecutor(tethered(command), f"http://127.0.0.1:{port}{ready}", **how)
            if ready
            else TCPExecutor(tethered(command), host="127.0.0.1", port=port, **how)
        )
        try:
            executor.start()
        except ExecutorError as error:
            said = "\n".join(tail(log, lines=40))
            raise pytest.UsageError(f"{command[0]} did not start: {error}\n{said}") from error
        try:
            yield executor
        finally:
            executor.stop()


def _mariadb(folder: Path, port: int) -> AbstractContextManager[TCPExecutor]:
    data = folder / "data"
    data.mkdir(parents=True)
    install = (
        *(program("mariadb-install-db"), "--no-defaults", f"--datadir={data}"),
        *("--auth-root-authentication-method=normal", "--skip-test-db", *_as_root()),
    )
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        raise pytest.UsageError(f"mariadb-install-db failed:\n{done.stdout}\n{done.stderr}")
    command = (
        *(program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={port}"),
        *(f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"),
        *("--bind-address=127.0.0.1", "--character-set-server=utf8mb4", "--skip-log-bin"),
        *("--innodb-flush-log-at-trx-commit=2", *_as_root()),
    )
    return running(command, folder, port)


def _redis(folder: Path, port: int) -> AbstractContextManager[TCPExecutor]:
    folder.mkdir()
    command = (
        *(program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
        *("--dir", str(folder), "--save", "", "--appendonly", "no"),
    )
    return running(command, folder, port)


@contextmanager
def s3_server(folder: Path, port: int) -> Iterator[TCPExecutor]:
    data = folder / "data"
    data.mkdir(parents=True)
    config = folder / "identities.json"
    config.write_text(json.dumps(_identities()))
    parts = ("master", "volume", "filer", "admin")
    ports = [port, *free_ports(2 * len(parts) + 1)]
    listen = [f"-s3.port={port}", f"-s3.port.grpc={ports[1]}"]
    for number, part in enumerate(parts, start=1):
        listen += [
            f"-{part}.port={ports[2 * number]}",
            f"-{part}.port.grpc={ports[2 * number + 1]}",
        ]
    command = (
        *(program("weed"), "-logtostderr=true", "mini", f"-dir={data}"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", *listen),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}"),
        *("-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
        "-s3.autoCreateBucket=false",
    )
    try:
        with running(command, folder, port) as server:
            yield server
    finally:
        _remove_sockets(ports)


def _remove_sockets(ports: list[int]) -> None:
    """The server leaves its Unix sockets in /tmp, whatever TMPDIR says."""
    for port in ports:
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            left.unlink(missing_ok=True)


def _identities() -> dict[str, object]:
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    keys = [{"accessKey": S3_KEY, "secretKey": S3_SECRET}]
    return {"identities": [{"name": "tests", "credentials": keys, "actions": actions}]}


def program(name: str) -> str:
    """The path of a program; Debian keeps some servers outside a user's PATH."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    path = shutil.which(name, path=folders)
    if not path:
        raise pytest.UsageError(f"{name} is not installed; see tests/packages.txt")
    return path


def _as_root() -> tuple[str, ...]:
    return ("--user=root",) if os.geteuid() == 0 else ()

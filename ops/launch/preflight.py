"""What must hold before the hub starts; what does not gets one sentence that says what to do."""

import errno
import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aihub.env import Env

OLDEST_PYTHON = (3, 11)
FREE_DISK = 500 * 1024 * 1024


class CannotStart(Exception):
    """Why the hub cannot start here, as one sentence for a person."""


def check_machine(env: Env) -> None:
    """What even reading the settings needs: Python, the hub's folder, room on the disk."""
    check_python(sys.version_info[:2])
    check_home(env.AIHUB_HOME)
    check_disk(env.AIHUB_HOME)


def check_python(version: tuple[int, ...]) -> None:
    if version < OLDEST_PYTHON:
        wanted, found = (".".join(map(str, v)) for v in (OLDEST_PYTHON, version))
        raise CannotStart(f"AIHub needs Python {wanted} or newer; this is Python {found}.")


def check_home(home: Path) -> None:
    """The hub's folder can be made and written to."""
    if home.exists() and not home.is_dir():
        raise CannotStart(f"{home} is a file, not a folder: set AIHUB_HOME to a folder.")
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise CannotStart(_disk_sentence(home, 0, FREE_DISK)) from error
        raise CannotStart(
            f"The folder {home} cannot be written to ({error.strerror}): "
            "set AIHUB_HOME to a folder of yours."
        ) from error


def check_disk(home: Path, needed: int = FREE_DISK) -> None:
    free = shutil.disk_usage(home).free
    if free < needed:
        raise CannotStart(_disk_sentence(home, free, needed))


def check_port(host: str, port: int, variable: str = "AIHUB_PORT") -> None:
    """The server will be able to listen there; `variable` is what names the port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CannotStart(_port_sentence(error, host, port, variable)) from error


def grpc_port(env: Env) -> int:
    """The port for gRPC: the one that was asked for, else the next one if nothing is there."""
    if env.AIHUB_GRPC_PORT:
        check_port(env.AIHUB_HOST, env.AIHUB_GRPC_PORT, "AIHUB_GRPC_PORT")
        return env.AIHUB_GRPC_PORT
    following = env.AIHUB_PORT + 1
    try:
        check_port(env.AIHUB_HOST, following)
    except CannotStart:
        return 0
    return following


@contextmanager
def only_hub(home: Path) -> Iterator[None]:
    """Hold the hub's folder; a second hub on it is refused, and the lock ends with the process."""
    path = home / "hub.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise CannotStart(
                f"A hub already runs in {home} (process {file.read().strip()}): "
                "stop it, or set AIHUB_HOME to another folder."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _disk_sentence(home: Path, free: int, needed: int) -> str:
    return (
        f"The disk of {home} is full: {free // 1024**2} MB are free and the hub needs "
        f"{needed // 1024**2} MB; free some space, or set AIHUB_HOME to a folder on another disk."
    )


def _port_sentence(error: OSError, host: str, port: int, variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken by another program: "
            f"set {variable} to a free one, for example {variable}={port + 2}."
        )
    if error.errno == errno.EACCES:
        return f"You may not listen on port {port}: set {variable} to one from 1024 up."
    return f"The hub cannot listen on {host} ({error.strerror}): set AIHUB_HOST to another address."

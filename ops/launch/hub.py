"""The whole hub on one machine: checks, database, roles, demonstration."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx

from aihub import __version__
from aihub.env import Env, unknown_names
from ops.launch import bootstrap, preflight, welcome
from ops.launch.bootstrap import Administrator
from ops.launch.child import rotate
from ops.launch.client import HubClient, HubRefused
from ops.launch.console import Console, short
from ops.launch.demo import Demo, Pause
from ops.launch.roles import log_path, roles
from ops.launch.supervisor import Supervisor

POLL = 0.1  # seconds
SLOW = 60.0  # seconds after which a start is worth a word


class _Stopped(Exception):
    """The hub stops: leave the demonstration."""


def launch(env: Env, environ: Mapping[str, str], console: Console) -> None:
    """Run the hub until a signal stops it; `CannotStart` says why it cannot."""
    preflight.check_machine(env)
    with preflight.only_hub(env.AIHUB_HOME):
        preflight.check_port(env.AIHUB_HOST, env.AIHUB_PORT)
        console.plain(f"AIHub {__version__}; its data is in {short(env.AIHUB_HOME)}")
        for name in unknown_names(dict(environ)):
            console.warn(f"{name} is set, but the hub has no such setting.")
        env = replace(env, AIHUB_GRPC_PORT=preflight.grpc_port(env))
        _log_to_file(env.AIHUB_HOME)
        administrator = bootstrap.prepare(env)
        console.done("The database is up to date.")
        welcome.say_password(env, administrator, console)
        _run(env, environ, console, administrator)


def _run(
    env: Env, environ: Mapping[str, str], console: Console, administrator: Administrator
) -> None:
    stopped = threading.Event()
    guide = threading.Thread(
        target=_guide, args=(env, console, administrator, stopped), daemon=True
    )
    guide.start()
    try:
        Supervisor(roles(env, environ), console).run()
    finally:
        stopped.set()


def _guide(
    env: Env, console: Console, administrator: Administrator, stopped: threading.Event
) -> None:
    """Beside the running roles: wait for them, show what the hub can do, say where it is."""

    def pause(seconds: float) -> None:
        if stopped.wait(seconds):
            raise _Stopped

    try:
        with _client(env, administrator) as client:
            _wait_until_ready(client, console, pause)
            _demonstrate(Demo(client, console, pause), administrator, console)
        welcome.say_where(env, console)
    except _Stopped:
        pass


def _client(env: Env, administrator: Administrator) -> HubClient:
    return HubClient(welcome.url_of(env), administrator.name, administrator.password or "")


def _wait_until_ready(client: HubClient, console: Console, pause: Pause) -> None:
    console.doing("Starting the server (web and infer) and the workers")
    started, patient = time.monotonic(), True
    while not client.is_ready():
        if patient and time.monotonic() - started > SLOW:
            patient = False
            console.warn("This takes unusually long; the folder logs/ may tell why.")
        pause(POLL)
    console.done(f"All roles answer, after {time.monotonic() - started:.1f} s.")


def _demonstrate(demo: Demo, administrator: Administrator, console: Console) -> None:
    if administrator.password is None:
        console.warn("The administrator's password was changed: no demonstration without it.")
        return
    try:
        demo.run()
    except (HubRefused, httpx.HTTPError) as error:
        console.warn(f"The demonstration ends early: {error}")


def _log_to_file(home: Path) -> None:
    """The launcher's own log goes to a file too: the terminal is for the person."""
    for name in ("launcher", "server", "worker", "batch"):
        rotate(log_path(home, name))
    path = log_path(home, "launcher")
    path.parent.mkdir(parents=True, exist_ok=True)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(path.open("a"))

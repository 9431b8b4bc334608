"""What a container runs: a role of `ROLES`, or else a command of manage.py.

Run as `python -m ops.launch.container ROLE`; it is replaced by the role's own program.
"""

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches

from django.core.exceptions import ImproperlyConfigured

from aihub import env
from aihub.env import BASE_DIR, Env
from ops.launch import counting
from ops.launch.preflight import CannotStart, check_home
from ops.launch.roles import (
    batch_command,
    beat_command,
    server_command,
    web_command,
    worker_command,
)

Command = tuple[str, ...]
# What rollouts and schedules run: without a terminal, nobody reads but who collects logs.
_UNATTENDED: tuple[Command, ...] = (("prepare",), ("migrate",), ("backup", "create"))
_ALIKE = 0.7  # from there on a word is taken for a role that was mistyped


def _whole_hub(_: Env) -> Command:
    return (sys.executable, "-m", "ops.launch")


ROLES: dict[str, Callable[[Env], Command]] = {
    "web": web_command,
    "infer": server_command,
    "worker": worker_command,
    "batch": batch_command,
    "beat": beat_command,
    "all": _whole_hub,
}


def command(arguments: list[str], environ: dict[str, str]) -> Command:
    """The command line that a container's arguments stand for.

    Raises ImproperlyConfigured for a role that there is not, and for what it could not run with.
    """
    role = arguments[0] if arguments else "all"
    if role in ROLES:
        return ROLES[role](env.read(environ))
    if meant := get_close_matches(role, ROLES, n=1, cutoff=_ALIKE):
        raise ImproperlyConfigured(
            f"There is no role “{role}”; “{meant[0]}” is one of {', '.join(ROLES)}."
        )
    program = (str(BASE_DIR / "manage.py"), *arguments)
    if _unattended(arguments) and not sys.stdout.isatty():
        return (sys.executable, "-m", "aihub.logs", *program)
    return (sys.executable, *program)  # what it prints is its result, for a person or a pipe


def _unattended(arguments: list[str]) -> bool:
    return any(tuple(arguments[: len(words)]) == words for words in _UNATTENDED)


def prepare(role: str, environ: dict[str, str]) -> None:
    """Make what a role needs before its program starts; `environ` is what it starts with.

    Raises CannotStart where the hub's folder cannot be used.
    """
    found = env.read(environ)
    check_home(found.AIHUB_HOME)
    environ.pop(counting.VARIABLE, None)
    environ |= counting.environ_for(found, role)
    counting.begin(environ)


def main() -> None:
    arguments, environ = sys.argv[1:], dict(os.environ)
    role = arguments[0] if arguments else "all"
    if role in ROLES:
        environ["AIHUB_ROLE"] = role
    try:
        program = command(arguments, environ)
        if role in ROLES:
            prepare(role, environ)
    except (ImproperlyConfigured, CannotStart) as reason:
        sys.exit(f"AIHub cannot start. {reason}")
    os.execvpe(program[0], program, environ)  # noqa: S606 - a command line of our own


if __name__ == "__main__":
    main()

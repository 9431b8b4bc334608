"""What a container runs: a role of `ROLES`, or else a command of manage.py.

Run as `python -m ops.launch.container ROLE`; it is replaced by the role's own program.
"""

import os
import sys
from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured

from aihub import env
from aihub.env import BASE_DIR, Env
from ops.launch.roles import (
    batch_command,
    beat_command,
    server_command,
    web_command,
    worker_command,
)

Command = tuple[str, ...]


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
    """The command line that a container's arguments stand for."""
    role = arguments[0] if arguments else "all"
    if role in ROLES:
        return ROLES[role](env.read(environ))
    program = (str(BASE_DIR / "manage.py"), *arguments)
    if sys.stdout.isatty():
        return (sys.executable, *program)
    return (sys.executable, "-m", "aihub.logs", *program)  # nobody reads but who collects logs


def main() -> None:
    arguments = sys.argv[1:]
    environ = dict(os.environ)
    if arguments and arguments[0] in ROLES:
        environ["AIHUB_ROLE"] = arguments[0]
    try:
        program = command(arguments, environ)
    except ImproperlyConfigured as reason:
        sys.exit(f"AIHub cannot start. {reason}")
    os.execvpe(program[0], program, environ)  # noqa: S606 - a command line of our own


if __name__ == "__main__":
    main()

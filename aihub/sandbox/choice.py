"""Which mechanism confines programs here, found by trying it."""

import json
import logging
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from aihub.sandbox import bubblewrap
from aihub.sandbox.calls import ARCHITECTURES
from aihub.sandbox.places import INSIDE, libraries

BUBBLEWRAP, LANDLOCK = "bubblewrap", "landlock"
MECHANISMS = (BUBBLEWRAP, LANDLOCK)
_PROBE_SECONDS = 20
_TRY_LANDLOCK = f"""
import sys
sys.path.insert(0, {str(INSIDE.parent)!r})
import inside
inside.give_up_privileges()
inside.landlock({{"readable": [], "writable": []}})
inside.filter_calls()
try:
    open("/etc/passwd")
except PermissionError:
    print("confined")
"""

logger = logging.getLogger(__name__)


class Unavailable(Exception):
    """Nothing here can confine a program; says why."""


def mechanism(wanted: str) -> str:
    """The mechanism to use: `wanted` itself, or with `auto` the first that works here.

    Raises Unavailable, also for `off`.
    """
    if wanted == "off":
        raise Unavailable("the operator set AIHUB_SANDBOX=off")
    reasons = []
    for name in MECHANISMS if wanted == "auto" else (wanted,):
        reason = failure(name)
        if not reason:
            return name
        reasons.append(f"{name}: {reason}")
    raise Unavailable("; ".join(reasons))


@cache
def failure(name: str) -> str:
    """Why a mechanism does not work here; empty where it does. Asked once a process."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return f"not on {sys.platform} {platform.machine()}"
    reason = _PROBES[name]()
    if reason:
        logger.warning("no sandbox by %s: %s", name, reason)
    return reason


def _bubblewrap() -> str:
    bwrap = bubblewrap.program()
    if bwrap is None:
        return "bwrap is not installed"
    with tempfile.TemporaryDirectory(prefix="aihub-sandbox-") as folder:
        start = bubblewrap.prefix(bwrap, libraries(), Path(folder))
        return _tried([*start, sys.executable, "-I", "-c", "print('confined')"])


def _landlock() -> str:
    return _tried([sys.executable, "-I", "-c", _TRY_LANDLOCK])


def _tried(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, env={}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:300]
    if "confined" in done.stdout:
        return ""
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return json.dumps(lines[-1][:300])[1:-1]


_PROBES: dict[str, Callable[[], str]] = {BUBBLEWRAP: _bubblewrap, LANDLOCK: _landlock}

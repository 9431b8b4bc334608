"""The command line of bubblewrap: namespaces of its own, in which only what is named exists."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from aihub.sandbox.places import PROCESSORS


def program() -> str | None:
    """Where it is installed."""
    return shutil.which("bwrap")


def prefix(bwrap: str, readable: Iterable[Path], folder: Path) -> list[str]:
    """What stands before the command that is to be confined.

    /proc is read-only: a hub that runs as root owns the kernel's settings, capabilities or not.
    """
    binds = [part for path in readable for part in _bound(path)]
    processors = [part for place in PROCESSORS for part in ("--ro-bind-try", place, place)]
    return [
        bwrap,
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--tmpfs", "/", "--dev", "/dev", "--proc", "/proc"),
        *processors,
        *binds,
        *("--bind", str(folder), str(folder)),
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"),
        "--",
    ]


def _bound(path: Path) -> Iterator[str]:
    """A link's target comes under both names, as either may be asked for."""
    yield from ("--ro-bind", str(path), str(path))
    if (real := path.resolve()) != path:
        yield from ("--ro-bind", str(real), str(real))

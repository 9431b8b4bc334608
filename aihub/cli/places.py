"""Where the command keeps what it must remember, and how two of it do not collide there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such locks; there it goes without
    fcntl = None  # type: ignore[assignment]


def config_file() -> Path:
    return _folder("XDG_CONFIG_HOME", ".config") / "config.json"


def uploads_folder() -> Path:
    return _folder("XDG_STATE_HOME", ".local/state") / "uploads"


def _folder(variable: str, default: str) -> Path:
    given = os.environ.get(variable, "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / default) / "aihub"


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of ours; an empty one where there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a file of ours in one step; nobody but its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock beside `path`; yields whether it was free (always, with `wait`)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield lock(handle, wait=wait)
    finally:
        os.close(handle)  # and the lock with it


def lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed; False where another process holds it."""
    if fcntl is None:  # pragma: no cover
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

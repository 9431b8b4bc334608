"""Permissions: the hub's folder, its secrets, room on the disk, what confines programs."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from aihub import sandbox
from ops.doctor.findings import Finding, fail, ok, warn
from ops.launch.bootstrap import password_path
from ops.launch.preflight import CannotStart, check_disk, check_home

TIGHT = 0.1  # of the disk


def check() -> Iterator[Finding]:
    home: Path = settings.HOME
    try:
        check_home(home)
        check_disk(home)
    except CannotStart as reason:
        yield fail(str(reason), "See above; in Kubernetes, look at the volume and its fsGroup.")
    else:
        yield _room(home)
    yield from _secrets(home)
    if os.geteuid() == 0:
        yield warn(
            "this process runs as root",
            "Run the hub as a user of its own; the image does so (10001).",
        )
    yield _sandbox()


def _room(home: Path) -> Finding:
    disk = shutil.disk_usage(home)
    said = f"{home} can be written to; {disk.free // 1024**2} MB are free"
    if disk.free < TIGHT * disk.total:
        return warn(said, "Less than a tenth is free: enlarge the disk, or lower AIHUB_FILE_CACHE.")
    return ok(said)


def _secrets(home: Path) -> Iterator[Finding]:
    """Nobody else on the machine may read what opens the hub."""
    for path in (home / "secret-key", password_path(home), home / "db.sqlite3"):
        if not path.exists():
            continue
        closed = _mode(home) & 0o077 == 0
        if _mode(path) & 0o077 and not closed:
            yield fail(
                f"others on this machine may read {path} (mode {_mode(path):04o})",
                f"chmod 600 {path}",
            )


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _sandbox() -> Finding:
    try:
        name = sandbox.mechanism(settings.ENV.AIHUB_SANDBOX)
    except sandbox.Unavailable as reason:
        return warn(
            f"nothing confines models that are programs, so that they are refused: {reason}",
            "Needed in workers alone, and for TorchScript, torch.export, SavedModel and TFLite: "
            "install bubblewrap, or run on Linux 5.13 or newer; see docs/security.md.",
        )
    return ok(f"models that are programs are confined by {name}")

"""Where the processes of a role count: a folder of files, which begins empty with the role."""

from collections.abc import Mapping
from pathlib import Path

from aihub.env import Env

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's
ROLES = ("worker", "batch", "beat")  # those of several processes


def beat_file(home: Path) -> Path:
    """A file that is as old as beat's last look at its schedules."""
    return home / "metrics" / "beat-ticked"


def environ_for(env: Env, role: str) -> dict[str, str]:
    """What tells a role's processes where to count; nothing for a role of one process."""
    return {VARIABLE: str(env.AIHUB_HOME / "metrics" / role)} if role in ROLES else {}


def begin(environ: Mapping[str, str]) -> None:
    """Empty the folder of a role that is about to start, so that its counts begin at zero."""
    if VARIABLE not in environ:
        return
    folder = Path(environ[VARIABLE])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in folder.glob("*.db"):
        path.unlink(missing_ok=True)

"""Where files of a version may be written: inside one folder, whatever their names say."""

import re
from pathlib import Path, PurePosixPath

from aihub.cli.failures import Failure

_DRIVE = re.compile(r"[A-Za-z]:")


def target(folder: Path, path: str) -> Path:
    """The place of a file of that path; `Failure` for a path that leads out of the folder, or that
    would tell Git which commands to run there."""
    parts = PurePosixPath(path).parts
    bad = (
        not parts
        or path.startswith("/")
        or ".." in parts
        or "\\" in path
        or not path.isprintable()
        or bool(_DRIVE.match(path))
    )
    place = folder.joinpath(*parts)
    if bad or not place.parent.resolve().is_relative_to(folder.resolve()):
        raise Failure(f"The file “{path}” would be written outside of {folder}: refused.")
    if any(part.casefold() == ".git" for part in parts):
        raise Failure(f"The file “{path}” would be a part of Git's own settings: refused.")
    if place.is_dir():
        raise Failure(f"{place} is a folder; a file shall be written there.")
    return place

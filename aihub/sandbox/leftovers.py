"""Removing what a confined program left, whatever it made of its folder."""

import os
import uuid
from pathlib import Path


def clear(folder: Path) -> None:
    """Empty a folder, however deep it is and whatever rights stand in the way; its program is dead.

    Folders within it are moved up to its top and emptied there: no path grows too long for the
    kernel, and nothing is called within itself.
    """
    waiting = [str(folder)]
    while waiting:
        place = waiting.pop()
        with os.scandir(place) as entries:
            found = list(entries)
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108
                continue
            os.chmod(entry.path, 0o700)  # noqa: PTH101
            waiting.append(f"{folder}/{uuid.uuid4().hex}")
            os.rename(entry.path, waiting[-1])  # noqa: PTH104
        if place != str(folder):
            os.rmdir(place)  # noqa: PTH106

"""What a running program takes, as seen from outside."""

import os
from pathlib import Path


def tasks_of(pid: int, enough: int) -> int:
    """Threads and processes below a process, itself among them; counting stops above `enough`."""
    count, waiting = 0, [pid]
    while waiting and count <= enough:
        for task in _listed(f"/proc/{waiting.pop()}/task"):
            count += 1
            waiting += _children(task)
    return count


def folder_use(folder: Path, enough: int) -> tuple[int, int]:
    """Bytes that a folder takes on disk and how many entries it has; no link is followed.

    Counting stops above `enough` entries. What cannot be looked into counts as too many: nothing
    is removed while a program runs, so it was made to hide what is in it (a path beyond the
    kernel's longest, a folder without the right to read it).
    """
    size, files, waiting = 0, 0, [str(folder)]
    while waiting and files <= enough:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    if files > enough:
                        break
        except OSError:
            files = enough + 1
    return size, files


def _listed(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]  # noqa: PTH208
    except OSError:
        return []


def _children(task: str) -> list[int]:
    try:
        return [int(word) for word in Path(task, "children").read_text().split()]
    except OSError:
        return []

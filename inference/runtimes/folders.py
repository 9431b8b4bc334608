"""A version's files laid out as they were published: libraries look for data beside a model."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_folder(main: str, files: Mapping[str, Path]) -> Iterator[Path]:
    """The main file's path in a folder that holds all files by their names in the version."""
    if len(files) == 1:
        yield files[main]
        return
    with tempfile.TemporaryDirectory(prefix="aihub-model-") as folder:
        for path, local in files.items():
            make_available(local, Path(folder, path))
        yield Path(folder, main)


def make_available(source: Path, target: Path) -> None:
    """A hard link where the file system allows one: external data may not be a symbolic link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

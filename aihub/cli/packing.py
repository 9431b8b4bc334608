"""Pictures in one archive, as they are: the same pictures always give the same bytes."""

import zipfile
from pathlib import Path

from aihub.cli.batch_input import Picture, Pictures
from aihub.cli.output import Output
from aihub.cli.progress import Meter, metered

BLOCK = 1024 * 1024
LARGE = 1 << 31  # bytes from which an entry needs the longer form


def packed(output: Output, pictures: Pictures, folder: Path) -> Path:
    """An uncompressed zip in `folder`, with the pictures in their order under their keys."""
    first = pictures.given[0]
    archive = folder / f"{first.name if first.is_dir() else 'pictures'}.zip"
    sizes = [picture.file.stat().st_size for picture in pictures.found]
    with (
        metered(output, "pack", sum(sizes)) as meter,
        zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file,
    ):
        for picture, size in zip(pictures.found, sizes, strict=True):
            _add(file, picture, size, meter)
    return archive


def _add(archive: zipfile.ZipFile, picture: Picture, size: int, meter: Meter) -> None:
    name = picture.key.encode(errors="surrogateescape").decode(errors="replace")
    entry = zipfile.ZipInfo(name)  # of 1980: no times, so that the bytes stay the same
    large = size >= LARGE
    with picture.file.open("rb") as source, archive.open(entry, "w", force_zip64=large) as sink:
        while block := source.read(BLOCK):
            sink.write(block)
            meter.add(len(block))

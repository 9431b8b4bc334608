"""The same work as a batch job's in a loop without a hub; `bench.batch` starts it.

    AIHUB_HOME=… python -m bench.batch_loop pictures|rows MODEL INPUT OUTPUT BATCH

The variant that serves, the same threads; pictures are decoded by threads beside the model, rows
are read, computed and written a batch after the other. Prints the seconds, without loading.
"""

import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

TOP = 5
ROW_GROUP = 100_000


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")
    import django

    django.setup()
    from bench.bare_loop import _loaded

    kind, model, source, target, batch = sys.argv[1:]
    loaded = _loaded(model)
    work = {"pictures": pictures, "rows": rows}[kind]
    _warm(loaded, int(batch))
    started = time.perf_counter()
    work(loaded, Path(source), Path(target), int(batch))
    print(time.perf_counter() - started)


def _warm(loaded: Any, batch: int) -> None:
    from inference.engine.loads import warm
    from inference.sampling import made_up

    warm(loaded.model)
    loaded.model.predict({t.name: made_up(t, batch) for t in loaded.model.signature.inputs})


def pictures(loaded: Any, source: Path, target: Path, batch: int) -> None:
    """A zip of pictures to JSON lines of the best classes."""
    from inference.cores import available_cores

    name = loaded.model.signature.inputs[0].name
    with ThreadPoolExecutor(available_cores()) as pool, target.open("w") as out:
        for keys, tensors in _decoded(loaded, source, batch, pool):
            logits = next(iter(loaded.model.predict({name: np.stack(tensors)}).values()))
            for key, row in zip(keys, logits.astype(np.float64), strict=True):
                out.write(json.dumps({"key": key, "predictions": _best(loaded, row)}) + "\n")


def _decoded(
    loaded: Any, source: Path, batch: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[list[str], list[Any]]]:
    """Batches of pictures, of which the next two are decoded while one is computed."""
    from inference.images import read

    waiting: list[tuple[list[str], list[Any]]] = []
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()
        for start in range(0, len(names), batch):
            keys = names[start : start + batch]
            data = [archive.read(key) for key in keys]
            tasks = [pool.submit(read, d, loaded.spec.preprocessing, 50_000_000) for d in data]
            waiting.append((keys, tasks))
            if len(waiting) > 2:
                done, tasks = waiting.pop(0)
                yield done, [task.result() for task in tasks]
    for done, tasks in waiting:
        yield done, [task.result() for task in tasks]


def _best(loaded: Any, row: Any) -> list[dict[str, Any]]:
    exponents = np.exp(row - row.max())
    scores = exponents / exponents.sum()
    order = np.argsort(-scores, kind="stable")[:TOP]
    return [{"label": loaded.spec.label(int(i)), "score": float(scores[i])} for i in order]


def rows(loaded: Any, source: Path, target: Path, batch: int) -> None:
    """A table of numbers in Parquet to one of predictions, with the columns of a job's output."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tensor = loaded.model.signature.inputs[0]
    writer: Any = None
    key, pending, held = 1, [], 0
    for block in pq.ParquetFile(source).iter_batches(batch_size=batch):
        numbers = block.column(0).flatten().to_numpy().reshape(len(block), -1)
        outputs = next(iter(loaded.model.predict({tensor.name: numbers}).values()))
        pending.append(_table(pa, key, outputs, loaded.spec.version))
        key, held = key + len(block), held + len(block)
        if held >= ROW_GROUP:
            writer, pending, held = _write(pq, pa, writer, target, pending), [], 0
    if pending:
        writer = _write(pq, pa, writer, target, pending)
    writer.close()


def _table(pa: Any, key: int, outputs: Any, version: str) -> Any:
    count, width = outputs.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.table(
        {
            "key": np.arange(key, key + count),
            "predictions": pa.ListArray.from_arrays(offsets, pa.array(outputs.ravel())),
            "version": pa.repeat(version, count),
            "error": pa.nulls(count, pa.string()),
        }
    )


def _write(pq: Any, pa: Any, writer: Any, target: Path, pending: list[Any]) -> Any:
    table = pa.concat_tables(pending)
    if writer is None:
        writer = pq.ParquetWriter(target, table.schema, compression="zstd")
    writer.write_table(table)
    return writer


if __name__ == "__main__":
    main()

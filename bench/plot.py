"""The comparison as a picture: `plot.py RESULTS_FOLDER PICTURE`, in an environment of its own."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

CONNECTIONS = 16
PANELS = {"resnet50": "ResNet-50 from JPEG", "mlp": "MLP of 64 numbers"}
OURS, THEIRS = "#2563eb", "#9ca3af"


def main() -> None:
    results, picture = Path(sys.argv[1]), Path(sys.argv[2])
    kept = json.loads((results / "compare.json").read_text())
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.6), layout="constrained")
    for axis, (model, title) in zip(axes, PANELS.items(), strict=True):
        _draw(axis, title, _rows(kept["found"]["rows"], model))
    machine = kept["machine"]
    figure.suptitle(
        f"Answers a second at {CONNECTIONS} connections, {machine['cores']} cores of "
        f"{machine['cpu']}",
        fontsize=11,
    )
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=150)


def _rows(rows: list[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    chosen = [row for row in rows if (row["model"], row["connections"]) == (model, CONNECTIONS)]
    return sorted(chosen, key=lambda row: row["rate"])


def _draw(axis: Axes, title: str, rows: list[dict[str, Any]]) -> None:
    names = [row["server"] for row in rows]
    colours = [OURS if name.startswith("AIHub") else THEIRS for name in names]
    bars = axis.barh(names, [row["rate"] for row in rows], color=colours)
    labels = [f"{row['rate']:,.0f}/s, p99 {row['p99_ms']:,.0f} ms" for row in rows]
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    axis.margins(x=0.35)
    axis.set_title(title, fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)


main()

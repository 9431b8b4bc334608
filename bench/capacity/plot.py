"""The simulated day as a picture: `plot.py RESULT PICTURE`, in an environment of its own."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

BLUE, RED, GREY = "#2563eb", "#dc2626", "#9ca3af"
DAYS = {"spike at night": BLUE, "spike at noon": "#f59e0b"}
LABELS = {
    "on demand": "on demand",
    "the least on demand, the others on spot": "least on demand,\nothers on spot",
    "all on spot": "all on spot",
    "no autoscaler, for the peak": "no autoscaler,\nfor the peak",
}


LEFT = (
    "calls a second",
    "replicas (pale)\nand ready",
    "p95, ms\n(worst minute)",
    "lost a second\n(worst minute)",
)


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text())["found"]
    figure = plt.figure(figsize=(11, 8), layout="constrained")
    grid = figure.add_gridspec(4, 2, width_ratios=(3, 1.3))
    first = figure.add_subplot(grid[0, 0])
    panels = [first, *(figure.add_subplot(grid[row, 0], sharex=first) for row in (1, 2, 3))]
    for name, colour in DAYS.items():
        _day(panels, found["drawn"], name, colour)
    for axis, label in zip(panels, LEFT, strict=True):
        axis.set_ylabel(label, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    panels[1].legend(fontsize=8)
    panels[2].axhline(1000 * found["objective"]["p95"], color=RED, linewidth=0.8, linestyle="--")
    panels[3].set_xlabel("hour of the day")
    first.set_xlim(0, 24)
    first.set_xticks(range(0, 25, 3))
    _costs(figure.add_subplot(grid[:3, 1]), found["bought"])
    _words(figure.add_subplot(grid[3, 1]), found)
    figure.savefig(sys.argv[2], dpi=130)


def _day(panels: list[Axes], drawn: dict[str, Any], name: str, colour: str) -> None:
    calls, ready, replicas, p95, lost = zip(*drawn[name], strict=True)
    hours = [number * drawn["minutes"] / 60 for number in range(len(calls))]
    panels[0].plot(hours, calls, color=colour)
    panels[1].step(hours, replicas, where="post", color=colour, alpha=0.4)
    panels[1].step(hours, ready, where="post", color=colour, label=name)
    panels[2].semilogy(hours, [1000 * value for value in p95], color=colour)
    panels[3].step(hours, lost, where="post", color=colour)


def _costs(axis: Axes, bought: list[dict[str, Any]]) -> None:
    names = [LABELS[row["how"]] for row in bought][::-1]
    bars = axis.barh(names, [row["cost"] for row in bought][::-1], color=BLUE)
    labels = [f"{row['cost']:,.0f}, lost {row['lost_percent']:g} %" for row in bought][::-1]
    axis.bar_label(bars, labels, padding=3, fontsize=8)
    axis.margins(x=0.6)
    axis.set_title("cost, hours of a node on demand", fontsize=9, loc="left")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _words(axis: Axes, found: dict[str, Any]) -> None:
    best, inputs = found["best"], found["inputs"]
    axis.axis("off")
    text = (
        f"best: {best['in_flight']} calls under way,\n{best['cpu']} % of the processor, at least\n"
        f"{best['least']} replicas of 2 cores\n\np95 {best['p95_ms']:g} ms, "
        f"lost {best['lost_percent']:g} %\n{inputs['calls']:,} calls"
    )
    axis.text(0, 1, text, va="top", fontsize=9)


main()

"""The metrics that docs/metrics.md names, by its headings: documentation and hub cannot differ."""

import re
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from aihub.env import BASE_DIR

PREDICTION, ANYWHERE, STATE, WORK = "Prediction", "Every process", "The hub's state", "Work"
_OURS = re.compile(r"(inference|aihub)_|celery_queue_length")


@dataclass(frozen=True)
class Family:
    """A documented metric; a counter's name is with its `_total`."""

    name: str
    type: str
    labels: frozenset[str]


def documented(*headings: str) -> set[Family]:
    """What the tables under headings that begin so name; of all of them where none is given."""
    text = (BASE_DIR / "docs" / "metrics.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    chosen = [s for s in sections if not headings or s.startswith(headings)]
    return {family for section in chosen for family in _families(section)}


def exposed(page: str) -> set[Family]:
    """What a page holds of the hub's own, with the labels of each family's first sample."""
    return {
        Family(
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            frozenset(family.samples[0].labels) - {"le"} if family.samples else frozenset(),
        )
        for family in text_string_to_metric_families(page)
        if _OURS.match(family.name)
    }


def _families(section: str) -> set[Family]:
    found = set()
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 5 or cells[2] not in ("counter", "gauge", "histogram"):
            continue
        labels = frozenset(re.findall(r"`(\w+)`", cells[3]))
        found |= {Family(name, cells[2], labels) for name in re.findall(r"`(\w+)`", cells[1])}
    return found

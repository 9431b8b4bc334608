"""The rules of ops/stack/prometheus as data."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from aihub.env import BASE_DIR

PROMETHEUS = BASE_DIR / "ops" / "stack" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))

Rule = dict[str, Any]

# A recorded series, perhaps some of it, beside a number: the form of all that alerts compare.
_COMPARISON = re.compile(r"(aihub:[a-z0-9_:]+(?:\{[^{}]*\})?)\s*(?:==|>=|<=|>|<)\s*[0-9.]+")


def rules() -> Iterator[Rule]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts() -> list[Rule]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> list[Rule]:
    return [rule for rule in rules() if "record" in rule]


def compared(expression: str) -> list[str]:
    """The series that an alert compares with numbers; ValueError where it does anything else."""
    series = []
    for part in re.split(r"\band\b", expression):
        found = _COMPARISON.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"neither a comparison nor several, joined by “and”: {part.strip()}")
        series.append(found[1])
    return series


def alternatives(expression: str) -> list[str]:
    """Both sides of every “or”, each as far as the brackets go that it stands in."""
    found: list[str] = []
    brackets, quote = [[0]], ""  # of each that is open: where its sides begin and end
    for word in re.finditer(r"""["']|[()]|\bor\b|\Z""", expression):
        if word[0] in ("'", '"'):
            quote = {"": word[0], word[0]: ""}.get(quote, quote)
        elif quote:
            continue
        elif word[0] == "(":
            brackets.append([word.end()])
        elif word[0] == "or":
            brackets[-1] += [word.start(), word.end()]
        else:
            edges = [*brackets.pop(), word.start()]
            sides = zip(edges[::2], edges[1::2], strict=True)
            found += [expression[begin:end].strip() for begin, end in sides if len(edges) > 2]
    return found

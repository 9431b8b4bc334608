"""Ranges of semantic versions: `^1.2`, `~1.2.3`, `1.x`, `>=1.0 <2.0`, `^1 || ^3`, `latest`.

The meaning is npm's: spaces are “and”, `||` is “or”, and a pre-release is in a range only where
the range names one of the same numbers. Versions are compared by `Semver.sort_key`.

An incomplete number alone (`1`, `1.2`) is no range here, but a version with its end forgotten.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from registry import semver
from registry.refusals import N_, Refused

LATEST = "latest"
MAX_LENGTH = 80
_CORE = 24  # characters of a sort key that are its three numbers
_RELEASE = "f"
_LAST = "g"  # after every character of a key, in every collation
_ANY = ("x", "X", "*")
_PART = r"(?:0|[1-9][0-9]{0,9}|[xX*])"
_PARTIAL = rf"[vV]?(?P<core>{_PART}(?:\.{_PART}){{0,2}})(?:-(?P<pre>[0-9A-Za-z.-]+))?"
_COMPARATOR = re.compile(rf"(?P<operator>>=|<=|>|<|=|\^|~>?)?\s*{_PARTIAL}", re.ASCII)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)", re.ASCII)
_BARE = re.compile(r"[vV]?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_GAP = re.compile(r"(>=|<=|>|<|=|\^|~>?)\s+", re.ASCII)

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Span:
    """The sort keys from `low` up to `high`, that itself excluded; `pre` the numbers of which
    pre-releases count too.
    """

    low: str = ""
    high: str = _LAST
    pre: frozenset[str] = frozenset()

    def holds(self, sort_key: str) -> bool:
        if not self.low <= sort_key < self.high:
            return False
        return is_release(sort_key) or sort_key[:_CORE] in self.pre

    def both(self, other: "Span") -> "Span":
        return Span(max(self.low, other.low), min(self.high, other.high), self.pre | other.pre)


@dataclass(frozen=True, slots=True)
class Range:
    """What is in one of the spans; with `latest`, anything, the releases before all others."""

    spans: tuple[Span, ...]
    latest: bool = False

    def holds(self, sort_key: str) -> bool:
        return any(span.holds(sort_key) for span in self.spans)

    def newest(self, versions: Iterable[V], key: Callable[[V], str]) -> V | None:
        """The newest of these versions that is in the range; `key` gives a version's sort key."""
        if self.latest:
            return max(versions, key=lambda v: (is_release(key(v)), key(v)), default=None)
        return max((v for v in versions if self.holds(key(v))), key=key, default=None)


def is_release(sort_key: str) -> bool:
    """Whether a version's sort key is that of a release, no pre-release."""
    return sort_key[_CORE:] == _RELEASE


def parse(text: str) -> Range:
    """Read a range; raise `Refused` for what is none, a single version included."""
    stripped = text.strip()
    if stripped == LATEST:
        return Range((), latest=True)
    if len(text) > MAX_LENGTH or not stripped or _BARE.fullmatch(stripped) or _exact(stripped):
        raise _refused(text)
    return Range(tuple(_alternative(part.strip(), text) for part in text.split("||")))


def is_range(text: str) -> bool:
    """Whether a text is a range that `parse` reads."""
    try:
        parse(text)
    except Refused:
        return False
    return True


def _exact(text: str) -> bool:
    try:
        semver.parse(text)
    except Refused:
        return False
    return True


def _alternative(text: str, whole: str) -> Span:
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen:
        return _comparator(f">={hyphen[1]}", whole).both(_comparator(f"<={hyphen[2]}", whole))
    words = _GAP.sub(r"\1", text).split()
    if not words:
        raise _refused(whole)
    span = _comparator(words[0], whole)
    for word in words[1:]:
        span = span.both(_comparator(word, whole))
    return span


def _comparator(word: str, whole: str) -> Span:
    match = _COMPARATOR.fullmatch(word)
    if match is None:
        raise _refused(whole)
    numbers, pre = _numbers(match["core"], whole), match["pre"]
    if pre and len(numbers) < 3:
        raise _refused(whole)
    return _span(match["operator"] or "=", numbers, _key(numbers, pre, whole), pre)


def _numbers(core: str, whole: str) -> list[int]:
    """The numbers before the first that may be any."""
    numbers: list[int] = []
    parts = core.split(".")
    for part in parts:
        if part in _ANY:
            break
        numbers.append(int(part))
    if any(part not in _ANY for part in parts[len(numbers) :]):
        raise _refused(whole)
    return numbers


def _key(numbers: list[int], pre: str | None, whole: str) -> str:
    """The sort key of the first version meant; its numbers alone where that may be any."""
    full = [*numbers, 0, 0, 0][:3]
    try:
        key = semver.parse(".".join(map(str, full)) + (f"-{pre}" if pre else "")).sort_key
    except Refused:
        raise _refused(whole) from None
    return key if len(numbers) == 3 else key[:_CORE]


def _span(operator: str, numbers: list[int], key: str, pre: str | None) -> Span:
    named = frozenset({key[:_CORE]}) if pre else frozenset[str]()
    after = _after(numbers) if len(numbers) < 3 else key + _LAST  # next to this one alone
    match operator:
        case ">=":
            return Span(low=key, pre=named)
        case ">":
            return Span(low=after, pre=named)
        case "<":
            return Span(high=key, pre=named)
        case "<=":
            return Span(high=after, pre=named)
        case "^":
            return Span(key, _after(_caret(numbers)), named)
        case "~" | "~>":
            return Span(key, _after(numbers[:2]), named)
    return Span(key, after, named)


def _caret(numbers: list[int]) -> list[int]:
    """The numbers that may not change: up to the first that is not 0."""
    for index, number in enumerate(numbers):
        if number:
            return numbers[: index + 1]
    return numbers


def _after(numbers: list[int]) -> str:
    """The first key after all versions that begin with these numbers."""
    if not numbers:
        return Span().high
    *before, last = numbers
    if last == semver.MAX_NUMBER:
        return _after(before)
    return "".join(f"{number:08x}" for number in [*before, last + 1, 0, 0][:3])


def _refused(text: str) -> Refused:
    return Refused(
        N_("“%(range)s” is not a range of versions such as ^1.2, ~1.2.3, 1.x or >=1.0 <2.0."),
        range=text[:80],
    )

"""Values of a search: numbers, sizes, moments."""

import math
import re
from datetime import UTC, datetime, timedelta

from registry.refusals import N_
from registry.searching.language import Term
from registry.searching.lexer import SearchRefused

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)}
_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-z]{0,3})", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LARGEST = 2**63 - 1


def number(term: Term) -> float:
    """A finite number."""
    try:
        value = float(term.value) if len(term.value) <= 40 and "_" not in term.value else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _unreadable(term, N_("“%(value)s” at %(position)s is not a number."))
    return value


def size(term: Term) -> int:
    """Bytes: `500`, `10MB` (a million each), `10MiB`."""
    found = _SIZE.fullmatch(term.value.lower())
    if not found or found[2] not in _UNITS:
        raise _unreadable(term, N_("“%(value)s” at %(position)s is not a size such as 10MB."))
    return min(int(float(found[1]) * _UNITS[found[2]]), _LARGEST)


def moments(term: Term) -> tuple[datetime, datetime]:
    """The first moment of what is named and the first after it: a day is all of that day (UTC)."""
    try:
        at = datetime.fromisoformat(term.value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        length = timedelta(days=1) if _DAY.fullmatch(term.value) else timedelta(microseconds=1)
        return at, at + length
    except (ValueError, OverflowError):
        raise _unreadable(
            term, N_("“%(value)s” at %(position)s is not a date such as 2026-01-31.")
        ) from None


def choice(term: Term, known: tuple[str, ...]) -> str:
    """One of the values that there are."""
    if term.value.lower() not in known:
        raise _unreadable(
            term,
            N_("“%(value)s” at %(position)s is none of: %(known)s."),
            known=", ".join(known),
        )
    return term.value.lower()


def _unreadable(term: Term, message: str, **values: object) -> SearchRefused:
    return SearchRefused(term.value_position, message, value=term.value[:80], **values)

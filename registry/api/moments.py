"""Moments in a query: ISO 8601 as people and programs write it."""

import re
from datetime import UTC, datetime

from aihub.problems import N_, Problem

_SPACE = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)", re.ASCII)  # a “+” that was not percent-encoded


def moment_of(text: str) -> datetime:
    """A moment with its offset, UTC where it has none; `Problem` 400 for what is none."""
    given = text.strip()
    try:
        found = _parsed(given)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(
            400,
            N_("“%(moment)s” is no moment such as 2026-05-01T12:00Z."),
            moment=given[:60],
        ) from None


def _parsed(text: str) -> datetime:
    if "T" in text.upper():
        text = _SPACE.sub("+", text)
    return datetime.fromisoformat(text)

"""The query of a prediction: which version, and how many classes of each answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aihub.problems import N_, Problem

DEFAULT_TOP = 5
WHICH = ("version", "alias")
_KNOWN = (*WHICH, "top")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    version: str | None = None
    alias: str | None = None
    top: int | None = None

    def best(self, classes: int) -> int:
        """How many of so many classes to name; Problem 400 for more than there are."""
        if self.top is None:
            return min(DEFAULT_TOP, classes)
        if self.top > classes:
            raise _unfit_top(classes)
        return self.top


def parse_query(query: bytes, known: Sequence[str] = _KNOWN) -> Query:
    """Problem 400 for what is unknown, given twice, or out of range."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Problem(400, N_("The query is not percent-encoded UTF-8.")) from None
    given = dict(pairs)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise Problem(
            400,
            N_("There is no parameter “%(name)s”; there are: %(known)s."),
            name=unknown[:60],
            known=", ".join(known),
        )
    if len(given) < len(pairs):
        raise Problem(400, N_("A parameter is given more than once."))
    return Query(given.get("version"), given.get("alias"), _top(given.get("top")))


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise _unfit_top()
    return int(text)


def _unfit_top(classes: int | None = None) -> Problem:
    if classes is None:
        return Problem(400, N_("“top” must be a whole number from 1 up."))
    return Problem(
        400,
        N_("“top” must be at most %(classes)s: the model has no more classes."),
        classes=classes,
    )

"""A search as tokens, each knowing where it stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry.refusals import N_, Refused

OPERATORS = (">=", "<=", "!=", ">", "<", "=", ":")
KEYWORDS = ("and", "or", "not")

_BLANKS = re.compile(r"\s+")
_OPERATOR = re.compile("|".join(OPERATORS))
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r'(?:(?!!=)[^\s()":<>=])+')
_VALUE = re.compile(r'[^\s()"<>=]+')  # colons stand in times, and names of models in slashes


class SearchRefused(Refused):
    """A search that cannot be read; `position` counts characters from 1."""

    def __init__(self, position: int, message: str, /, **values: object) -> None:
        super().__init__(message, position=position, **values)
        self.position = position


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is `word`, `value`, `quoted`, an operator, a keyword, `(`, `)` or `end`."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a search; what follows an operator is a value. The last one is `end`."""
    at, after_operator = 0, False
    while at < len(text):
        if blanks := _BLANKS.match(text, at):
            at = blanks.end()
            continue
        token, at = _next(text, at, after_operator)
        after_operator = token.kind in OPERATORS
        yield token
    yield Token("end", "", len(text) + 1)


def _next(text: str, at: int, after_operator: bool) -> tuple[Token, int]:
    """The token at a place, and where it ends."""
    position = at + 1
    if text[at] in "()":
        return Token(text[at], text[at], position), position
    if text[at] == '"':
        return _quoted(text, at)
    if operator := _OPERATOR.match(text, at):
        return Token(operator[0], operator[0], position), operator.end()
    found = (_VALUE if after_operator else _BARE).match(text, at)
    word = found[0] if found else text[at]
    return Token(_kind(word, after_operator), word, position), at + len(word)


def _kind(word: str, after_operator: bool) -> str:
    if after_operator:
        return "value"
    return word.lower() if word.lower() in KEYWORDS else "word"


def _quoted(text: str, at: int) -> tuple[Token, int]:
    found = _QUOTED.match(text, at)
    if found is None:
        raise SearchRefused(at + 1, N_("The quotation mark at %(position)s is not closed."))
    return Token("quoted", re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL), at + 1), found.end()

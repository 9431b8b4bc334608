"""Reads a search: plain words, `field:value`, `field >= number`, `and`, `or`, `not`, parentheses.

    tag:vision and metrics.accuracy >= 0.9 and not (state:rejected or "work in progress")

`and` binds closer than `or`, and stands unsaid between terms. Pure code: what a field means is
known to `fields` and `conditions`.
"""

from dataclasses import dataclass

from registry.refusals import N_
from registry.searching.lexer import OPERATORS, SearchRefused, Token, tokens

LONGEST = 1000  # characters
MOST_TERMS = 40
DEEPEST = 20  # parentheses and `not` within each other


@dataclass(frozen=True, slots=True)
class Word:
    """Text that a row contains somewhere."""

    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Term:
    """A field compared with a value; `name` is in lower case."""

    name: str
    operator: str
    value: str
    position: int
    value_position: int


@dataclass(frozen=True, slots=True)
class Not:
    node: "Node"


@dataclass(frozen=True, slots=True)
class And:
    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    nodes: "tuple[Node, ...]"


Node = Word | Term | Not | And | Or


def parse(text: str) -> Node:
    """The tree of a search; `And(())`, which everything satisfies, for an empty one."""
    if len(text) > LONGEST:
        raise SearchRefused(
            LONGEST + 1, N_("A search has at most %(most)s characters."), most=LONGEST
        )
    if "\0" in text:
        raise SearchRefused(text.index("\0") + 1, N_("There is a NUL at %(position)s."))
    return _Parser(list(tokens(text))).search()


class _Parser:
    """Recursive descent over the tokens of one search."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._terms = 0
        self._depth = 0

    def search(self) -> Node:
        if self._token.kind == "end":
            return And(())
        node = self._any()
        if self._token.kind != "end":
            raise self._unexpected()
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._token
        self._at += 1
        return token

    def _any(self) -> Node:
        """Terms of which any must hold."""
        nodes = [self._all()]
        while self._token.kind == "or":
            self._take()
            nodes.append(self._all())
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def _all(self) -> Node:
        """Terms of which all must hold."""
        nodes = [self._one()]
        while self._token.kind not in ("end", "or", ")"):
            if self._token.kind == "and":
                self._take()
            nodes.append(self._one())
        return nodes[0] if len(nodes) == 1 else And(tuple(nodes))

    def _one(self) -> Node:
        token = self._token
        if token.kind in ("not", "("):
            return self._nested()
        if token.kind not in ("word", "quoted"):
            raise self._unexpected()
        self._count(token)
        self._take()
        if self._token.kind in OPERATORS:
            return self._comparison(token)
        return Word(token.text, token.position)

    def _nested(self) -> Node:
        self._depth += 1
        opening = self._take()
        if self._depth > DEEPEST:
            raise SearchRefused(
                opening.position, N_("Nested deeper than %(most)s at %(position)s."), most=DEEPEST
            )
        node = Not(self._one()) if opening.kind == "not" else self._within(opening)
        self._depth -= 1
        return node

    def _within(self, opening: Token) -> Node:
        node = self._any()
        if self._token.kind == "end":
            raise SearchRefused(
                opening.position, N_("The parenthesis at %(position)s is not closed.")
            )
        if self._token.kind != ")":
            raise self._unexpected()
        self._take()
        return node

    def _comparison(self, field: Token) -> Term:
        operator = self._take()
        value = self._token
        if value.kind not in ("value", "quoted") or not value.text:
            raise SearchRefused(
                value.position,
                N_("A value is missing at %(position)s, after “%(before)s”."),
                before=field.text[:80] + operator.text,
            )
        self._take()
        name = field.text.lower()
        return Term(name, operator.kind, value.text, field.position, value.position)

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise SearchRefused(
                token.position, N_("A search has at most %(most)s terms."), most=MOST_TERMS
            )

    def _unexpected(self) -> SearchRefused:
        token = self._token
        if token.kind == "end":
            return SearchRefused(token.position, N_("The search ends where a term should follow."))
        return SearchRefused(
            token.position,
            N_("“%(text)s” at %(position)s cannot stand there; put text between quotation marks."),
            text=token.text[:80],
        )

"""How a search is read: terms, operators, precedence, and where it is wrong."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from registry.searching.language import (
    DEEPEST,
    LONGEST,
    MOST_TERMS,
    And,
    Node,
    Not,
    Or,
    Term,
    Word,
    parse,
)
from registry.searching.lexer import SearchRefused


def told(node: Node) -> str:
    """A tree as text with every parenthesis."""
    match node:
        case Word():
            return node.text
        case Term():
            return f"{node.name}{node.operator}{node.value}"
        case Not():
            return f"!{told(node.node)}"
        case And():
            return f"({' & '.join(map(told, node.nodes))})"
        case Or():
            return f"({' | '.join(map(told, node.nodes))})"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", "()"),
        ("  \n ", "()"),
        ("cats", "cats"),
        ("black cats", "(black & cats)"),
        ("black AND cats", "(black & cats)"),
        ('"black  cats" 词', "(black  cats & 词)"),
        (r'"a \"b\" \\"', r'a "b" \ '.rstrip()),
        ('"and"', "and"),
        ("v1.2.0 resnet-50 c++ it's a,b hey!", "(v1.2.0 & resnet-50 & c++ & it's & a,b & hey!)"),
        ("tag:vision", "tag:vision"),
        ("TAG : Vision", "tag:Vision"),
        ('label:"tiger cat"', "label:tiger cat"),
        ("metrics.accuracy >= 0.9 and tag:vision", "(metrics.accuracy>=0.9 & tag:vision)"),
        ("a.b<1 c>2 d<=3 e!=4 f=5", "(a.b<1 & c>2 & d<=3 & e!=4 & f=5)"),
        ('"metrics.top 1" > 3', "metrics.top 1>3"),
        ("created>2026-01-01T12:30+02:00", "created>2026-01-01T12:30+02:00"),
        ("alias:and", "alias:and"),
        ("a or b c", "(a | (b & c))"),
        ("(a or b) c", "((a | b) & c)"),
        ("not a b", "(!a & b)"),
        ("not (a b) or not not c", "(!(a & b) | !!c)"),
        ("x OR(y)", "(x | y)"),
    ],
)
def test_a_search_is_read(text: str, tree: str) -> None:
    assert told(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('"open', 1),
        ('a "open', 3),
        ("(a", 1),
        ("a (b (c)", 3),
        ("a)", 2),
        ("()", 2),
        ("a and", 6),
        ("and a", 1),
        ("a or or b", 6),
        ("not", 4),
        ("tag:", 5),
        ("tag: (a)", 6),
        ('tag:""', 5),
        (":x", 1),
        ("a == b", 4),
        ("tag:a:b c:", 11),
        ("a\0b", 2),
        ("x" * (LONGEST + 1), LONGEST + 1),
        ("x " * MOST_TERMS + "y", 2 * MOST_TERMS + 1),
        ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), DEEPEST + 1),
        ("not " * (DEEPEST + 1) + "a", 4 * DEEPEST + 1),
    ],
)
def test_where_a_search_is_wrong_is_told(text: str, position: int) -> None:
    with pytest.raises(SearchRefused) as refused:
        parse(text)
    assert refused.value.position == position
    assert refused.value.message % refused.value.values


def test_the_most_that_a_search_may_be_is_read() -> None:
    parse("x " * MOST_TERMS)
    parse("(" * DEEPEST + "a" + ")" * DEEPEST)
    parse("x" * LONGEST)


@given(st.text(alphabet='ab .:<>=!()"\\and orto\n词', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SearchRefused):
        parse(text)

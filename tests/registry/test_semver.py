"""Semantic versions: what is one, and in which order they come."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from registry import semver
from registry.models import ModelVersion
from registry.refusals import Refused

NUMBERS = st.integers(min_value=0, max_value=2**32 - 1)
WORDS = st.from_regex(r"[0-9A-Za-z-]{1,6}", fullmatch=True).filter(
    lambda word: not (word.isdigit() and len(word) > 1 and word[0] == "0")
)
VERSIONS = st.tuples(NUMBERS, NUMBERS, NUMBERS, st.lists(WORDS, max_size=4)).map(
    lambda v: f"{v[0]}.{v[1]}.{v[2]}" + (f"-{'.'.join(v[3])}" if v[3] else "")
)
# The order of semver.org's own example, and more.
IN_ORDER = [
    "0.0.1",
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-0",
    "1.0.1-9",
    "1.0.1-10",
    "1.0.1--",
    "1.0.1-a",
    "1.0.1-a-",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
    "10.0.0",
    "4294967295.0.0",
]


def precedence(text: str) -> tuple[object, ...]:
    """semver.org's rule 11 as a tuple, of a version in lower case."""
    core, _, pre = text.lower().partition("-")
    numbers = tuple(int(number) for number in core.split("."))
    words = [(0, int(w), "") if w.isdigit() else (1, 0, w) for w in pre.split(".") if pre]
    return (*numbers, not words, words)


@given(VERSIONS, VERSIONS)
def test_it_orders_by_key_as_the_standard_does(one: str, other: str) -> None:
    keys = semver.parse(one).sort_key, semver.parse(other).sort_key
    assert (keys[0] < keys[1]) == (precedence(one) < precedence(other))


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(IN_ORDER)))
def test_it_orders_known_versions(lower: str, higher: str) -> None:
    assert semver.parse(lower).sort_key < semver.parse(higher).sort_key


@given(VERSIONS)
def test_it_keys_without_case_and_without_a_leading_v(text: str) -> None:
    assert semver.parse(f"V{text.upper()}").key == semver.parse(text.lower()).key


@given(VERSIONS)
def test_it_reads_what_it_shows(text: str) -> None:
    assert semver.parse(semver.parse(f"v{text}").text).text == text


@pytest.mark.parametrize("pre", ["1." * 29, "a." * 29, "-." * 29, "z" * 58, "4294967295." * 5])
def test_its_key_fits_its_column(pre: str) -> None:
    most = ModelVersion._meta.get_field("sort_key").max_length
    assert most is not None
    assert len(semver.parse(f"0.0.0-{pre.rstrip('.')}"[:64]).sort_key) <= most


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.0", "1.0.0.0", "1.0.0-", "1.0.0-a..b", "1.0.0-.", "vv1.0.0", "-1.0.0"),
        *("01.0.0", "1.00.0", "1.0.0-01", "1.0.0+build", "1.0.0-rc.1+5"),
        *(" 1.0.0", "1.0.0 ", "1.0.0\n", "1.0.0\0", "1,0,0", "1.0.x", "latest"),
        *("../../x", "1.0.0/../x", "1.0.0-" + "a" * 300, "1" * 300, "4294967296.0.0"),
        *("1.0.0-🚀", "🚀", "版本一", "1.0.0-测试", "１.0.0", "١.0.0", "1.0.0-é"),
    ],
)
def test_it_refuses_what_is_no_semantic_version(text: str) -> None:
    with pytest.raises(Refused, match="is not a semantic version"):
        semver.parse(text)


@given(st.text(max_size=80))
def test_it_takes_or_refuses_any_text(text: str) -> None:
    with suppress(Refused):
        assert semver.parse(text).key.isascii()

"""Which versions are in a range, as npm has it."""

import pytest
from hypothesis import given, strategies as st

from registry import semver, version_ranges
from registry.refusals import Refused

VERSIONS = [
    *("0.0.3", "0.0.4", "0.1.0", "0.2.3", "1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "1.2.0-beta"),
    *("1.2.0", "1.2.3", "1.10.0", "2.0.0-alpha", "2.0.0", "2.1.5", "3.0.0-rc.1"),
]


def inside(text: str) -> list[str]:
    wanted = version_ranges.parse(text)
    return [v for v in VERSIONS if wanted.holds(semver.parse(v).sort_key)]


def newest(text: str, *versions: str) -> str | None:
    keys = {v: semver.parse(v).sort_key for v in versions}
    return version_ranges.parse(text).newest(versions, key=keys.__getitem__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("^1.2", ["1.2.0", "1.2.3", "1.10.0"]),
        ("^1.2.3", ["1.2.3", "1.10.0"]),
        ("^0.1", ["0.1.0"]),
        ("^0.0.3", ["0.0.3"]),
        ("^0.0", ["0.0.3", "0.0.4"]),
        ("^0", ["0.0.3", "0.0.4", "0.1.0", "0.2.3"]),
        ("~1.2.3", ["1.2.3"]),
        ("~1.2", ["1.2.0", "1.2.3"]),
        ("~1", ["1.0.0", "1.2.0", "1.2.3", "1.10.0"]),
        ("1.x", ["1.0.0", "1.2.0", "1.2.3", "1.10.0"]),
        ("1.2.*", ["1.2.0", "1.2.3"]),
        ("v1.2.X", ["1.2.0", "1.2.3"]),
        ("=1.2.3", ["1.2.3"]),
        (">=1.0 <2.0", ["1.0.0", "1.2.0", "1.2.3", "1.10.0"]),
        (">= 1.0.0   < 2.0.0", ["1.0.0", "1.2.0", "1.2.3", "1.10.0"]),
        (">1.2", ["1.10.0", "2.0.0", "2.1.5"]),
        (">1.2.0 <=1.10", ["1.2.3", "1.10.0"]),
        ("1.2 - 2.0", ["1.2.0", "1.2.3", "1.10.0", "2.0.0"]),
        ("0.0.3 || ^2", ["0.0.3", "2.0.0", "2.1.5"]),
        ("1.0.0||2.0.0", ["1.0.0", "2.0.0"]),
        ("^1.0.0-rc.1", ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "1.2.0", "1.2.3", "1.10.0"]),
        (">1.0.0-rc.1 <1.2.0", ["1.0.0-rc.2", "1.0.0"]),
        ("~1.2.0-beta", ["1.2.0-beta", "1.2.0", "1.2.3"]),
        ("<2.0.0", [v for v in VERSIONS[:11] if "-" not in v]),
        (">9", []),
        (">1 <1", []),
    ],
)
def test_a_range_holds_what_npm_says(text: str, expected: list[str]) -> None:
    assert inside(text) == expected


@pytest.mark.parametrize("text", ["*", "x", ">=0", "^*", "~x"])
def test_anything_is_any_release(text: str) -> None:
    assert inside(text) == [v for v in VERSIONS if "-" not in v]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "1.2",
        "v1",
        "1.2.3",
        "v1.2.3-rc.1",
        "latest2",
        "LATEST",
        "^",
        ">=",
        "^^1",
        "1.x.3",
    ]
    + [
        "1.x.3",
        "^1.2-rc",
        "||",
        "^1 ||",
        "a || b",
        "^1.2.3.4",
        "^01.2",
        "^99999999999",
        "^4294967296",
    ]
    + ["1 -", ">1.0.0-", "^1" + " ^1" * 100, "\0", "^１", "../x", "^1;drop"],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    assert not version_ranges.is_range(text)
    with pytest.raises(Refused):
        version_ranges.parse(text)


def test_latest_is_the_newest_release_and_else_the_newest_pre_release() -> None:
    assert newest("latest", "1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1") == "1.10.0"
    assert newest("latest", "2.0.0-rc.1", "2.0.0-rc.10", "2.0.0-rc.9") == "2.0.0-rc.10"
    assert newest("latest") is None


def test_the_largest_numbers_do_not_overflow() -> None:
    most = str(semver.MAX_NUMBER)
    for text in (f"^{most}", f"~1.{most}", f"1.2.{most} || ^0", f">{most}.{most}.{most}"):
        assert newest(text, "1.2.3") is None
    assert newest(f"^{most}", f"{most}.0.1") == f"{most}.0.1"


numbers = st.integers(0, 3)


@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers))
def test_caret_and_tilde_agree_with_arithmetic(
    low: tuple[int, int, int], version: tuple[int, int, int]
) -> None:
    key = semver.parse(".".join(map(str, version))).sort_key
    text = ".".join(map(str, low))
    fixed = next((index for index, number in enumerate(low) if number), 2) + 1
    caret = version >= low and version[:fixed] == low[:fixed]
    assert version_ranges.parse(f"^{text}").holds(key) == caret
    assert version_ranges.parse(f"~{text}").holds(key) == (
        version >= low and version[:2] == low[:2]
    )
    assert version_ranges.parse(f">={text} <{text} || >{text}").holds(key) == (version > low)


@given(st.text(st.sampled_from("0123.xX*^~<>=| -v"), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    if version_ranges.is_range(text):
        for version in VERSIONS:
            version_ranges.parse(text).holds(semver.parse(version).sort_key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ("1.0.0", "1.0.0", "1.0.0")),
        ("1.2.3", ("1.2.4", "1.3.0", "2.0.0")),
        ("v0.0.0", ("0.0.1", "0.1.0", "1.0.0")),
        ("2.0.0-rc.1", ("2.0.0", "2.1.0", "3.0.0")),
        ("2.1.1-rc.1", ("2.1.1", "2.2.0", "3.0.0")),
        ("2.1.3-a-b.1", ("2.1.3", "2.2.0", "3.0.0")),
        (f"1.2.{2**32 - 1}", (None, "1.3.0", "2.0.0")),
        (f"{2**32 - 1}.0.0", (f"{2**32 - 1}.0.1", f"{2**32 - 1}.1.0", None)),
    ],
)
def test_suggestions_follow_the_newest(text: str | None, expected: tuple[str | None, ...]) -> None:
    found = semver.following(text)
    assert (found.patch, found.minor, found.major) == expected

"""Semantic versions, and a text key that orders them on any database.

`sort_key` is lower-case hexadecimal text, so that every collation sorts it the same way.
"""

import re
from dataclasses import dataclass

from registry.refusals import N_, Refused

MAX_LENGTH = 64
FIRST = "1.0.0"
MAX_NUMBER = 2**32 - 1
_NUMBER = r"(?:0|[1-9][0-9]{0,9})"
_PATTERN = re.compile(
    rf"[vV]?(?P<core>{_NUMBER}\.{_NUMBER}\.{_NUMBER})"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_RELEASE = "f"  # after every pre-release of the same numbers
_END, _NUMERIC, _TEXT = "0", "1", "2"  # fewer identifiers < numbers < words, as the standard says


@dataclass(frozen=True, slots=True)
class Semver:
    """`text` as shown, `key` for uniqueness (lower case), `sort_key` for order."""

    text: str
    key: str
    sort_key: str


def parse(text: str) -> Semver:
    """Read `1.2.0`, `v1.2.0` or `1.2.0-rc.1`; raise `Refused` for anything else."""
    match = _PATTERN.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise _refused(text)
    numbers = [int(part) for part in match["core"].split(".")]
    identifiers = match["pre"].split(".") if match["pre"] else []
    if any(number > MAX_NUMBER for number in numbers) or any(map(_malformed, identifiers)):
        raise _refused(text)
    shown = text.lstrip("vV")
    return Semver(shown, shown.lower(), _sort_key(numbers, identifiers))


@dataclass(frozen=True, slots=True)
class Following:
    """Suggestions for the version after another; None where its numbers can grow no further."""

    patch: str | None
    minor: str | None
    major: str | None


def following(newest: str | None) -> Following:
    """What may come after the newest version; the patch after a pre-release is its own release."""
    if newest is None:
        return Following(FIRST, FIRST, FIRST)
    core, _, pre = newest.lstrip("vV").partition("-")
    major, minor, patch = map(int, core.split("."))
    return Following(
        _next(major, minor, patch if pre else patch + 1),
        _next(major, minor + 1, 0),
        _next(major + 1, 0, 0),
    )


def _next(*numbers: int) -> str | None:
    return ".".join(map(str, numbers)) if max(numbers) <= MAX_NUMBER else None


def _sort_key(numbers: list[int], identifiers: list[str]) -> str:
    core = "".join(f"{number:08x}" for number in numbers)
    if not identifiers:
        return core + _RELEASE
    return core + "".join(_identifier_key(word.lower()) for word in identifiers) + _END


def _identifier_key(word: str) -> str:
    if word.isdigit():
        digits = f"{int(word):x}"
        return f"{_NUMERIC}{len(digits)}{digits}"
    return f"{_TEXT}{word.encode().hex()}00"


def _malformed(word: str) -> bool:
    return word.isdigit() and (int(word) > MAX_NUMBER or (len(word) > 1 and word[0] == "0"))


def _refused(text: str) -> Refused:
    return Refused(
        N_("“%(version)s” is not a semantic version such as 1.2.0 or 2.0.0-rc.1."),
        version=text[:80],
    )

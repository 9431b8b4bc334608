"""The Chinese catalogue: every text is there, with the values of the original."""

import re

import polib
import pytest

from aihub.env import BASE_DIR

CATALOGUE = BASE_DIR / "aihub" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
ENTRIES = [entry for entry in polib.pofile(str(CATALOGUE)) if not entry.obsolete]


def test_every_text_is_translated() -> None:
    assert [entry.msgid for entry in ENTRIES if not entry.translated()] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.msgid[:40])
def test_a_translation_keeps_the_values(entry: polib.POEntry) -> None:
    assert values(entry.msgstr) == values(entry.msgid)


def values(text: str) -> set[str]:
    """`%(name)s` and `{name}`; a brace that only belongs to an example counts for nothing."""
    named = set(re.findall(r"%\(\w+\)[a-z]", text))
    braces = set(re.findall(r"\{\w+\}", text))
    return named | braces

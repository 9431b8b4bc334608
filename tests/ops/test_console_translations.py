"""The Chinese catalogue: every text is there, with the values of the original."""

import re

import polib

from aihub.env import BASE_DIR

CATALOGUE = BASE_DIR / "aihub" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
ENTRIES = [entry for entry in polib.pofile(str(CATALOGUE)) if not entry.obsolete]
VALUE = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")  # `%(name)s` in Python, `{name}` in scripts


def test_every_text_is_translated() -> None:
    assert [entry.msgid for entry in ENTRIES if not entry.translated()] == []


def test_translations_keep_the_values() -> None:
    assert [entry.msgid for entry in ENTRIES if _values(entry.msgstr) != _values(entry.msgid)] == []


def _values(text: str) -> set[str]:
    return set(VALUE.findall(text))

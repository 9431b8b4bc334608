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
    assert [entry.msgid for entry in ENTRIES if not _keeps_values(entry)] == []


def _keeps_values(entry: polib.POEntry) -> bool:
    """Where the text has a plural, each of its forms holds the values of the plural."""
    original = entry.msgid_plural or entry.msgid
    texts = entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]
    return all(_values(text) == _values(original) for text in texts)


def _values(text: str) -> set[str]:
    return set(VALUE.findall(text))

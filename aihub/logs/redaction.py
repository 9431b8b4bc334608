"""The last line of defence: what looks like a secret, or is one of ours, is not in any line.

Nothing is logged that is known to hold one; this is for what libraries and exceptions say.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "[hidden]"
LEAST = 8  # characters of a secret that is looked for literally: shorter ones stand in any text
_SECRET_NAMES = re.compile(r"SECRET|PASSWORD|TOKEN|_KEYS?$|_SALT")
_WORDS = (
    r"password|passwd|secret|token|authorization|credentials?|signature|api[_-]?key"
    r"|access[_-]?key|secret[_-]?key|session(?:id)?|csrftoken|cookie"
)
# A text without any of these holds nothing that the patterns find: one look, for most lines.
_HINT = re.compile(rf"(?i)bearer|basic |aihub_|whsec_|eyJ|://[^/\s]*@|{_WORDS}")
_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|api-key|basic)(\s+)[\w.~+/=-]{8,}"), rf"\1\2{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"\b(aihub|whsec)_[\w-]{20,}"), rf"\1_{HIDDEN}"),
    (re.compile(r"(\w+://)[^/\s@]*@"), rf"\1{HIDDEN}@"),
    (
        re.compile(rf"(?i)((?:{_WORDS})[\"']?\s*(?:=>|[=:])\s*)(?!\[hidden)[^\s,;&\"'<>]+"),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(rf"(?i)((?:{_WORDS})[\"']?\s*(?:=>|[=:])\s*)([\"'])(?!\[hidden).*?\2"),
        rf"\1\2{HIDDEN}\2",
    ),
)


class Redactor:
    """Takes secrets out of texts: those given, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first, as one may hold another.
        known = sorted({s for s in secrets if len(s) >= LEAST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(HIDDEN, text)
        if _HINT.search(text):
            for pattern, instead in _PATTERNS:
                text = pattern.sub(instead, text)
        return text


def secrets_of(settings: Mapping[str, Any]) -> Collection[str]:
    """Those of an environment's values that are secrets: by their names, and passwords in URLs."""
    found: set[str] = set()
    for name, value in settings.items():
        values = value if isinstance(value, tuple) else (value,)
        texts = [text for text in values if isinstance(text, str)]
        if _SECRET_NAMES.search(name):
            found.update(texts)
        for text in texts:
            found.update(_passwords(text))
    return found - {""}


def _passwords(text: str) -> Collection[str]:
    if "://" not in text:
        return ()
    password = urlsplit(text).password or ""
    return (password, unquote(password))

"""Text that every database and every client can hold, from files that may say anything."""

from typing import Any


def plain(value: Any) -> Any:
    """The same JSON-like value, its texts without NUL and lone surrogates."""
    if isinstance(value, str):
        return value if _is_plain(value) else _plain_text(value)
    if isinstance(value, dict):
        return {plain(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return value


def _is_plain(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _plain_text(text: str) -> str:
    return text.replace("\0", "�").encode(errors="replace").decode()

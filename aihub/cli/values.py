"""Values of options that hold more than a word: JSON, files of JSON, `name=value`, labels."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aihub.cli.failures import Exit, Failure


def objects(option: str, given: Sequence[str]) -> dict[str, Any]:
    """One object of all that was given: each JSON, `@file` with JSON, or `name=value`."""
    found: dict[str, Any] = {}
    for text in given:
        found |= _object(option, text)
    return found


def labels(given: str) -> list[Any]:
    """A JSON list, or a file with one or with a label a line."""
    if given.lstrip().startswith("["):
        return _listed(given, "--labels")
    text = text_of(Path(given))
    if text.lstrip().startswith(("[", "{")):
        return _listed(text, given)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _listed(text: str, what: str) -> list[Any]:
    found = parsed(text, what)
    if not isinstance(found, list):
        raise Failure(f"{what} holds no list of labels.", Exit.USAGE)
    return found


def text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{file} is not UTF-8 text.", Exit.USAGE) from None
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.", Exit.USAGE) from None


def parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{what}: not valid JSON: {error}", Exit.USAGE) from None


def _object(option: str, text: str) -> dict[str, Any]:
    if text.startswith("@"):
        text = text_of(Path(text[1:]))
    elif "=" in text and not text.lstrip().startswith("{"):
        name, _, value = text.partition("=")
        return {name.strip(): _plain(value)}
    found = parsed(text, option)
    if not isinstance(found, dict):
        raise Failure(f"{option} wants a JSON object, @file or name=value.", Exit.USAGE)
    return found


def _plain(value: str) -> Any:
    """A number, true, false or null where it reads as one, else the text."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return value if isinstance(found, dict | list | str) else found

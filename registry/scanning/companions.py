"""The files beside a model: data that is read as data, never a second program."""

import json
from collections.abc import Mapping
from pathlib import Path

from registry.files import COMPANIONS
from registry.refusals import N_, Refused, in_layer
from registry.scanning import safetensors_files
from registry.scanning.signatures import HEAD, ZIP, is_pickle

MAX_COMPANION = 32 * 1024 * 1024
"""Bytes; the tokenizer of a hundred languages has 17 MB."""

TOO_LARGE = N_("%(file)s has more than %(most)s bytes.")
NOT_TEXT = N_("%(file)s is not UTF-8 text.")
NOT_JSON = N_("%(file)s is not valid JSON.")
SECOND_MODEL = N_(
    "%(file)s is a model of its own beside the one that is served. Send one model a version."
)


@in_layer("files")
def check(siblings: Mapping[str, Path], used: frozenset[str] = frozenset()) -> None:
    """Refused unless files known by name are what they are called, and no other is a model.

    `used` are paths that the model itself refers to: parts of it, whatever they look like.
    """
    for path, local in siblings.items():
        if path in COMPANIONS:
            _check_text(path, local)
        elif path not in used:
            _check_no_model(path, local)


def _check_text(path: str, local: Path) -> None:
    if local.stat().st_size > MAX_COMPANION:
        raise Refused(TOO_LARGE, file=path, most=MAX_COMPANION)
    try:
        text = local.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(NOT_TEXT, file=path) from None
    if path.endswith(".json"):
        _check_json(path, text)


def _check_json(path: str, text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(NOT_JSON, file=path) from None


def _check_no_model(path: str, local: Path) -> None:
    """Pickles, archives of them and safetensors are told by their first bytes."""
    with local.open("rb") as file:
        head = file.read(HEAD)
    holds_tensors = safetensors_files.header_length(head) is not None
    if head.startswith(ZIP) or is_pickle(head) or holds_tensors:
        raise Refused(SECOND_MODEL, file=path)

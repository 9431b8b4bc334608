"""What a hostile `tokenizer.json` could do: make a short text so long that no memory holds it."""

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inference.side_files import TOKENIZER, json_read
from registry.refusals import N_, Refused

MAX_TOKENIZER = 32 * 1024 * 1024  # bytes; that of a hundred languages has 17 MB
_MAX_GROWTH = 16  # times longer that all replacements together may make a text
_MAX_PARTS = 1000  # objects in the description, but for those of the vocabulary
_MAX_MAPPED = 128  # bytes that one character may become; Unicode's own forms take up to 33
_VOCABULARY = frozenset({"vocab", "merges", "added_tokens", "special_tokens"})


def check_tokenizer(files: Mapping[str, Path]) -> None:
    """Refused without a tokenizer, or where it could make texts grow beyond all bounds."""
    if TOKENIZER not in files:
        raise Refused(
            N_("A model of texts needs its tokenizer: send tokenizer.json beside the weights.")
        )
    growth = 1
    for number, part in enumerate(_parts(json_read(files, TOKENIZER, MAX_TOKENIZER))):
        growth *= _growth(part)
        if growth > _MAX_GROWTH or number > _MAX_PARTS:
            raise Refused(N_("tokenizer.json makes texts too much longer than they are."))


def _parts(value: object) -> Iterator[Mapping[str, Any]]:
    """Every JSON object in a tokenizer's description, but for the many of its vocabulary."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name not in _VOCABULARY:
                yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def _growth(part: Mapping[str, Any]) -> int:
    """How many times longer this part may make a text; 1 for most."""
    match part:
        case {"type": "Replace", "content": str(added)} | {
            "type": "Prepend",
            "prepend": str(added),
        }:
            return max(len(added), 1)
        case {"type": "Precompiled", "precompiled_charsmap": str(encoded)}:
            return 1 if _longest_mapped(encoded) <= _MAX_MAPPED else _MAX_GROWTH + 1
    return 1


def _longest_mapped(encoded: str) -> int:
    """Bytes of the longest text in a SentencePiece map: a trie's length, the trie, the texts."""
    try:
        raw = base64.b64decode(encoded)
        (trie,) = struct.unpack_from("<I", raw)
    except (binascii.Error, ValueError, struct.error):
        return 0  # the library refuses it
    return max(len(text) for text in raw[4 + trie :].split(b"\0"))

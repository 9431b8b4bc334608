"""What a store says where it refuses, in XML or as a problem document."""

import json
import re

from aihub.cli.wire import Answer

_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_CODE = re.compile(r"<Code>([^<]*)</Code>")


def said_by_store(answer: Answer) -> str:
    """Its reason as a few words, else the status."""
    text = answer.body[:4096].decode(errors="replace")
    for pattern in (_MESSAGE, _CODE):
        if (found := pattern.search(text)) and found[1].strip():
            return found[1].strip()
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status}"

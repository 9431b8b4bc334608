"""Texts: an owner's, varied, or sentences that Python's own documentation holds."""

import re
from collections.abc import Sequence

_SHORTEST, _LONGEST = 20, 300  # characters


def documentation(count: int) -> list[str]:
    """`count` sentences, spread over the topics of `help()`."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name] for name in sorted(topics))
    found = [" ".join(s.split()) for s in re.split(r"(?<=[.!?])\s+|\n\n+", text)]
    fitting = [sentence for sentence in found if _SHORTEST <= len(sentence) <= _LONGEST]
    return [fitting[index * len(fitting) // count] for index in range(count)]


def views(texts: Sequence[str], count: int) -> list[str]:
    """The texts, and below `count` also what is left of them without their first or last words."""
    found, cut = list(texts), 1
    while len(found) < count:
        for index, text in enumerate(texts[: count - len(found)]):
            words = text.split()
            kept = words[cut:] if (index + cut) % 2 else words[:-cut]
            found.append(" ".join(kept) or text)
        cut += 1
    return found

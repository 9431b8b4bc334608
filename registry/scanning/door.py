"""A cheap look at a model file while it streams in."""

from registry.refusals import N_, Refused
from registry.scanning import safetensors_files
from registry.scanning.archives import END_RECORD
from registry.scanning.signatures import ENDS_EARLY, ZIP, refuse_known

EMPTY = N_("%(name)s is empty.")


def peek(name: str, head: bytes, tail: bytes, size: int) -> None:
    """Raise Refused for what certainly is no model.

    `head` and `tail` are the first and last bytes, up to 64 KiB each; `size` is in bytes. What is
    not refused here may still be refused by `identify` or `scan`.
    """
    if size == 0 or not head:
        raise Refused(EMPTY, name=name)
    refuse_known(head)
    if head.startswith(ZIP) and END_RECORD not in tail:
        raise Refused(ENDS_EARLY)
    length = safetensors_files.header_length(head)
    if length is not None and 8 + length > size:
        raise Refused(ENDS_EARLY)

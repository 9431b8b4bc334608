"""Who somebody is now: what runs later runs with the rights that its owner has then.

People and keys are known elsewhere; whoever knows them says so when Django starts.
"""

from collections.abc import Callable

from aihub.access import Principal

Find = Callable[[str], Principal | None]

_find: Find = lambda principal_id: None  # noqa: E731 - nobody is known until somebody says


def use(find: Find) -> None:
    """Have owners looked up by `find` from now on."""
    global _find
    _find = find


def owner_find(principal_id: str) -> Principal | None:
    """The principal of an id with its rights of this moment; None where it may do nothing."""
    return _find(principal_id)

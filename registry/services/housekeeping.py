"""What is tidied up from time to time, by every worker: all of it is safe to do twice at once."""

import logging
from collections.abc import Callable

from django.db import close_old_connections

from registry.processing.collecting import collection_plan
from registry.processing.verifying import verification_plan
from registry.services.holding import removal_is_held
from registry.services.sweeping import parts_sweep, uploads_sweep
from registry.services.trash import trash_expire

Chore = Callable[[], object]
CHORES: list[Chore] = [
    uploads_sweep,
    parts_sweep,
    trash_expire,
    verification_plan,
    collection_plan,
]

logger = logging.getLogger(__name__)


def add_chore(chore: Chore) -> None:
    """Have a chore done too; other apps add theirs at start."""
    if chore not in CHORES:
        CHORES.append(chore)


def sweep() -> None:
    """Do every chore; one that fails keeps no other from being done, and is tried again.

    None is done while a backup is made: they remove things.
    """
    if removal_is_held():
        return
    for chore in CHORES:
        try:
            chore()
        except Exception:
            logger.warning("%s failed; it will be tried again", chore.__name__, exc_info=True)
            close_old_connections()

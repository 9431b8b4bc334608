"""What becomes of an attempt at a piece of a job's work that does not come to its end."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import Error as AnyDatabaseError

from aihub.problems import N_, Problem
from inference.batch.inputs import Unreadable
from inference.batch.running import Stopped
from registry.processing.leases import LeaseLost
from registry.refusals import Refused
from registry.storage import StorageUnavailable

_LEFT = (LeaseLost, Stopped)

logger = logging.getLogger(__name__)


@contextmanager
def attempt(
    work: str,
    give_back: Callable[[Exception], object],
    refuse: Callable[[str, Mapping[str, Any]], object],
    otherwise: str,
) -> Iterator[None]:
    """Let the block fail as it may; none of it leaves the block.

    `work` names it in the log. What is away for a while gives the work back, to be tried again;
    what is wrong with the input or the model refuses it with a reason (a template and its values),
    which is `otherwise`, with `error` in it, where nothing better is known. The work stays with its
    lease, to be taken when that ends, where the database does not answer; and it is dropped where
    somebody else has it, or nobody wants it any more.
    """
    with _leaving(work):  # giving back and refusing may find that the lease is lost, too
        try:
            yield
        except (*_LEFT, AnyDatabaseError):
            raise
        except StorageUnavailable as error:
            logger.warning("%s waits: %s", work, error)
            give_back(error)
        except (Refused, Unreadable) as error:
            refuse(error.message, error.values)
        except Problem as problem:
            if problem.status >= 500:
                logger.warning("%s waits: %s", work, problem)
                give_back(problem)
            else:
                refuse(problem.message, problem.values)
        except FileNotFoundError as error:
            logger.warning("%s stops: %s", work, error)
            refuse(N_("What is to be read is gone from the store."), {})
        except Exception as error:
            logger.exception("%s failed", work)
            refuse(otherwise, {"error": f"{type(error).__name__}: {error}"[:300]})


@contextmanager
def _leaving(work: str) -> Iterator[None]:
    """Leave the work to whoever has it now, or to whoever takes it when its lease ends."""
    try:
        yield
    except _LEFT:
        logger.info("%s is not wanted any more", work)
    except AnyDatabaseError:
        logger.exception("%s stops; its lease will end", work)

"""Who compiles variants and chooses among them: inference says so when Django starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.models import Variant


@dataclass(frozen=True, slots=True)
class Optimiser:
    """`cpu` is this machine's kind of processor, empty where nothing is compiled on it.

    `choose(precision, rows, pinned)` names the one of a version's rows (of one kind of processor)
    that serves, None for the reference. `reference(format)` is the runtime of a format's
    reference.
    """

    cpu: Callable[[], str]
    choose: Callable[[str, Sequence[Variant], str], str | None]
    reference: Callable[[str], str]


_NOBODY = Optimiser(
    cpu=lambda: "", choose=lambda precision, rows, pinned: None, reference=lambda form: form
)
_used = _NOBODY


def use(optimiser: Optimiser) -> None:
    """Have this one asked from now on."""
    global _used
    _used = optimiser


def current() -> Optimiser:
    return _used

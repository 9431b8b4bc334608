"""The pickles of torch's programs: objects of the program's own classes, beside tensors.

TorchScript names classes under `__torch__`, which its own code defines and Python never imports;
they become inert objects here. What would reach a function of Python is refused by name.
"""

from collections.abc import Callable
from typing import Any, BinaryIO

from registry.scanning import standins
from registry.scanning.pickles import Machine, argument_of
from registry.scanning.standins import Constructor

_OWN = "__torch__."
_LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")


class Inert:
    """Stands for an object of a class of the program."""


def _inert(*_: object) -> Inert:
    return Inert()


ALLOWED: dict[str, object] = {
    **{f"torch.jit._pickle.{name}": Constructor(_inert) for name in _LISTS},
    "torch.jit._pickle.restore_type_tag": Constructor(lambda value, *_: value),
    "torch._utils._rebuild_sparse_tensor": Constructor(_inert),
    "torch.memory_format": Constructor(_inert),
}


class ProgramMachine(Machine):
    """As `Machine`, with objects of classes that the program itself brings."""

    def _step(self, name: str, stream: BinaryIO) -> None:
        if name in _STEPS:
            _STEPS[name](self, argument_of(name, stream))
        else:
            super()._step(name, stream)

    def _program_global(self, name: str) -> None:
        if name.startswith(_OWN):
            self._stack.append(Constructor(_inert))
        else:
            self._stack.append(ALLOWED[name] if name in ALLOWED else standins.find(name))

    def _program_build(self, _: Any) -> None:
        """State of an inert object is dropped: nothing is called with it."""
        if isinstance(self._stack[-2], Inert):
            self._stack.pop()
        else:
            self._build(None)


_STEPS: dict[str, Callable[[ProgramMachine, Any], None]] = {
    "GLOBAL": ProgramMachine._program_global,
    "NEWOBJ": ProgramMachine._reduce,
    "BUILD": ProgramMachine._program_build,
}

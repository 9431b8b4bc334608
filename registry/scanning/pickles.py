"""A machine for the few pickle opcodes that weights need; it can build nothing but stand-ins.

Python's unpickler is not used at all: torch.load(weights_only=True) knows the same opcodes, and a
machine of our own bounds memory and can name what it refuses. The opcodes' meaning is described
in the standard library's `pickletools`.
"""

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeVar

from registry.refusals import N_, Refused, in_layer
from registry.scanning import standins
from registry.scanning.tensors import Storage, StoredTensor

MAX_BYTES = 64 << 20
MAX_OPCODES = 2_000_000
"""A model of a thousand tensors takes fewer than a hundred thousand."""

ODD_OPCODE = N_(
    "The file uses the pickle instruction %(opcode)s, which weights do not need. Save it with "
    "torch.save(model.state_dict(), …) and its default protocol."
)
TOO_LONG = N_("The file describes its tensors in too many steps (at most %(limit)s).")
MEMO_BOMB = N_("The file asks for memo slot %(index)s, which would exhaust memory.")

_LITERALS = frozenset(
    ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING")
)
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_OPCODES = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}
_READERS = {opcode.name: opcode.arg.reader for opcode in pickletools.opcodes if opcode.arg}

T = TypeVar("T")


class Machine:
    """Runs one pickle; keeps the storages it named and the tensors it described.

    `id_rest` is what a storage's persistent id ends with: the older container has one value more,
    meant for views of storages, which torch no longer writes.
    """

    def __init__(self, id_rest: Sequence[None] = ()) -> None:
        self._id_rest = id_rest
        self.storages: dict[str, Storage] = {}
        self.tensors: list[StoredTensor] = []
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    @in_layer("pickle")
    def run(self, stream: BinaryIO) -> object:
        """The object of the pickle at the stream's place, which then stands behind its end."""
        try:
            return self._run(stream)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise Refused(standins.DAMAGED) from error

    def _run(self, stream: BinaryIO) -> object:
        for _ in range(MAX_OPCODES):
            name = _name(stream)
            if name == "STOP":
                (result,) = self._stack
                return result
            self._step(name, stream)
        raise Refused(TOO_LONG, limit=MAX_OPCODES)

    def _step(self, name: str, stream: BinaryIO) -> None:
        """Nothing of an unknown opcode is read, as its argument may be of any size."""
        if name in _VALUES:
            self._stack.append(_VALUES[name])
        elif name in _LITERALS:
            self._stack.append(argument_of(name, stream))
        elif name in _STEPS:
            _STEPS[name](self, argument_of(name, stream))
        else:
            raise Refused(ODD_OPCODE, opcode=name)

    def _nothing(self, _: Any) -> None:
        """PROTO: what follows is told by its own opcodes."""

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _empty_list(self, _: Any) -> None:
        self._stack.append([])

    def _empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _tuple(self, _: Any) -> None:
        items = self._pop_mark()
        self._stack.append(tuple(items))

    def _tuple_of(self, size: int) -> None:
        items = tuple(self._stack.pop() for _ in range(size))
        self._stack.append(items[::-1])

    def _append(self, _: Any) -> None:
        item = self._stack.pop()
        self._last(list).append(item)

    def _appends(self, _: Any) -> None:
        items = self._pop_mark()
        self._last(list).extend(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        standins.put(self._last(dict), key, value)

    def _set_items(self, _: Any) -> None:
        items = self._pop_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            standins.put(self._last(dict), key, value)

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _put(self, index: int) -> None:
        if index > MAX_OPCODES:
            raise Refused(MEMO_BOMB, index=index)
        self._memo[index] = self._stack[-1]

    def _global(self, name: str) -> None:
        self._stack.append(standins.find(name))

    def _instance(self, name: str) -> None:
        standins.find(name)
        raise Refused(ODD_OPCODE, opcode="INST")

    def _reduce(self, _: Any) -> None:
        args, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, standins.Constructor):
            raise Refused(standins.DAMAGED)
        result = function.build(*args)
        if isinstance(result, StoredTensor):
            self.tensors.append(result)
        self._stack.append(result)

    def _build(self, _: Any) -> None:
        """Only `_metadata` of a state_dict: any other attribute could hide a method."""
        state = self._stack.pop()
        is_metadata = isinstance(state, dict) and set(state) <= {"_metadata"}
        if not is_metadata or not isinstance(self._stack[-1], OrderedDict):
            raise Refused(standins.DAMAGED)

    def _persistent(self, _: Any) -> None:
        storage = standins.storage(self._stack.pop(), self._id_rest)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise Refused(standins.TWO_STORAGES, key=storage.key[:200])
        self._stack.append(storage)

    def _last(self, kind: type[T]) -> T:
        last = self._stack[-1]
        if not isinstance(last, kind):
            raise Refused(standins.DAMAGED)
        return last


_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": Machine._nothing,
    "MARK": Machine._mark,
    "EMPTY_LIST": Machine._empty_list,
    "EMPTY_DICT": Machine._empty_dict,
    "TUPLE": Machine._tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "APPEND": Machine._append,
    "APPENDS": Machine._appends,
    "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "GLOBAL": Machine._global,
    "INST": Machine._instance,
    "REDUCE": Machine._reduce,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent,
}


def _name(stream: BinaryIO) -> str:
    return _OPCODES[stream.read(1)]


def argument_of(name: str, stream: BinaryIO) -> Any:
    """An opcode's argument, as torch reads it: pickletools would undo escapes in global names."""
    if name in ("GLOBAL", "INST"):
        return ".".join(stream.readline()[:-1].decode() for _ in range(2))
    argument = _READERS[name](stream) if name in _READERS else None
    if isinstance(argument, str):
        argument.encode()  # half a surrogate pair could be kept nowhere
    return argument

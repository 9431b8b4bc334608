"""The classes of the messages, in a descriptor pool of the hub's own.

A client library in the same process registers messages of the same names in protobuf's default
pool, which takes each name once.
"""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from inference.protocol.grpc.definitions import ENUMS, MESSAGES, PACKAGE

Message = Any  # made at run time: no type checker knows its fields

_FILE = "aihub/inference.proto"
_Field = descriptor_pb2.FieldDescriptorProto
_LINE = re.compile(
    r"(?P<one>\[)?(?:(?P<many>repeated|map|enum)[ <])?(?P<type>[\w.]+)>? (?P<name>\w+) = "
    r"(?P<number>\d+)\]?"
)
_MAP_ENTRY = "string key = 1\n{type} value = 2"
_CHOICE = "choice"


def message_class(name: str) -> Message:
    """The class of a message of `definitions`; KeyError for any other name."""
    descriptor = _POOL.FindMessageTypeByName(f"{PACKAGE}.{name}")
    return message_factory.GetMessageClass(descriptor)


def _file() -> Message:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=PACKAGE, syntax="proto3")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            enum.value.add(name=value, number=number)
    made: dict[str, Message] = {}
    for name, fields in MESSAGES.items():
        outer, _, inner = name.rpartition(".")
        among = made[outer].nested_type if outer else file.message_type
        made[name] = among.add(name=inner)
        _add_fields(made[name], name, fields)
    return file


def _add_fields(message: Message, path: str, fields: str) -> None:
    for line in filter(None, map(str.strip, fields.splitlines())):
        match = _LINE.fullmatch(line)
        assert match, line
        field = message.field.add(name=match["name"], number=int(match["number"]))
        field.label = _Field.LABEL_OPTIONAL
        if match["many"] in ("repeated", "map"):
            field.label = _Field.LABEL_REPEATED
        if match["one"]:
            field.oneof_index = _only_choice(message)
        kind = match["type"]
        if match["many"] == "map":
            kind = _add_map_entry(message, path, match["name"], kind)
        _set_type(field, kind, is_enum=match["many"] == "enum")


def _only_choice(message: Message) -> int:
    """The number of the message's only `oneof`."""
    if not message.oneof_decl:
        message.oneof_decl.add(name=_CHOICE)
    return 0


def _add_map_entry(message: Message, path: str, name: str, kind: str) -> str:
    """A map is a list of entries, messages within this one; the entry's name."""
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _add_fields(entry, "", _MAP_ENTRY.format(type=kind))
    return f"{path}.{entry.name}"


def _set_type(field: Message, kind: str, *, is_enum: bool) -> None:
    if not is_enum and f"TYPE_{kind.upper()}" in _Field.Type.keys():  # noqa: SIM118 - not a dict
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
        return
    field.type = _Field.TYPE_ENUM if is_enum else _Field.TYPE_MESSAGE
    field.type_name = f".{PACKAGE}.{kind}"


def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    return pool


_POOL = _pool()

"""Which columns of a table a model's inputs are taken from, where nobody said it."""

from math import prod

from aihub.problems import N_
from inference.batch.inputs.described import CSV, Described, Unreadable
from inference.batch.inputs.tables import BYTES, LIST, NUMBER, OTHER, TEXT, Column, quoted
from inference.batch.inputs.taking import IMAGE, IMAGE_KEY, TEXT as TEXT_INPUT
from inference.batch.rows import PICTURES, TEXTS, Wanted
from inference.signature import TensorSpec, described as in_words

Mapped = dict[str, str | tuple[str, ...]]
_PICTURES = {"image": IMAGE, "image_key": IMAGE_KEY, "path": IMAGE_KEY, "key": IMAGE_KEY}
_ASIDE = frozenset({"id", "key", "label"})  # columns that describe a row rather than be it


def mapped(described: Described, wanted: Wanted, columns: list[Column]) -> Mapped:
    """Columns by input, complete; Unreadable where they cannot be told, or name what is unknown."""
    given: Mapped = dict(described.columns)
    known = _inputs(wanted)
    strange = sorted(set(given).difference(known))
    if strange:
        raise Unreadable(
            N_("The columns are given for %(strange)s; the model takes %(known)s."),
            strange=quoted(strange),
            known=quoted(known),
        )
    if wanted.kind in (PICTURES, TEXTS):
        found = given or _single(wanted.kind, columns)
    else:
        found = {**_tensors(described, wanted, columns, given), **given}
    if not found or any(spec.name not in found for spec in wanted.tensors):
        raise _unmapped(wanted, columns)
    return found


def _inputs(wanted: Wanted) -> list[str]:
    if wanted.kind == PICTURES:
        return [IMAGE, IMAGE_KEY]
    return [TEXT_INPUT] if wanted.kind == TEXTS else [spec.name for spec in wanted.tensors]


def _single(kind: str, columns: list[Column]) -> Mapped:
    names = [column.name for column in columns]
    if kind == PICTURES:
        return next(({_PICTURES[name]: name} for name in _PICTURES if name in names), {})
    name = next((name for name in ("text", "inputs") if name in names), "")
    if not name and len(names) == 1:
        name = names[0]
    if not name and not names:  # lines that are texts themselves
        name = TEXT_INPUT
    return {TEXT_INPUT: name} if name else {}


def _tensors(described: Described, wanted: Wanted, columns: list[Column], given: Mapped) -> Mapped:
    names = {column.name for column in columns}
    found: Mapped = {spec.name: spec.name for spec in wanted.tensors if spec.name in names}
    if len(wanted.tensors) == 1 and not found and not given:
        spec = wanted.tensors[0]
        taken = _only(spec, [c for c in columns if c.name != described.key])
        if taken:
            found[spec.name] = taken
        elif not columns and described.form != CSV:  # lines that are arrays themselves
            found[spec.name] = spec.name
    return found


def _only(spec: TensorSpec, columns: list[Column]) -> str | tuple[str, ...]:
    """The one list of the right length, or just as many numbers; empty where neither is there."""
    length = None if -1 in spec.shape[1:] else prod(spec.shape[1:])
    lists = [c.name for c in columns if c.kind == LIST and length in (None, c.length)]
    if len(lists) == 1:
        return lists[0]
    kinds = (TEXT, BYTES, NUMBER, OTHER) if spec.datatype == "BYTES" else (NUMBER,)
    for leave in (frozenset(), _ASIDE):
        names = tuple(c.name for c in columns if c.kind in kinds and c.name not in leave)
        if length == len(names):
            return names[0] if length == 1 else names
    return ""


def _unmapped(wanted: Wanted, columns: list[Column]) -> Unreadable:
    needs = in_words(wanted.tensors) if wanted.tensors else wanted.kind
    example = _inputs(wanted)[-1]
    return Unreadable(
        N_(
            "Which columns the model's inputs are taken from cannot be told. The table has "
            "%(columns)s; the model takes %(needs)s. Say so in “columns”, as in "
            "{“%(example)s”: “a column”}."
        ),
        columns=quoted([column.name for column in columns]),
        needs=needs,
        example=example,
    )

"""Which operations of a migration the code of the last release goes on to work with."""

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.migrations import Migration, operations as ops
from django.db.migrations.state import ProjectState
from django.db.models import Field

# Whatever these do, no code that does not know of it notices.
HARMLESS = (
    *(ops.CreateModel, ops.AddIndex, ops.RemoveIndex, ops.RenameIndex, ops.RemoveConstraint),
    *(ops.AlterModelOptions, ops.AlterModelManagers, ops.AlterModelTableComment),
    *(ops.AlterOrderWithRespectTo,),
)
Known = dict[str, dict[str, Any]]


def broken_by(migration: Migration, state: ProjectState, known: Known) -> Iterator[str]:
    """Why the operations of a migration, which `state` comes before, break code that knows these
    tables and columns; nothing where they only add.
    """
    made = {op.name_lower for op in migration.operations if isinstance(op, ops.CreateModel)}
    for operation in migration.operations:
        after = state.clone()
        operation.state_forwards(migration.app_label, after)
        reason = _reason(operation, migration.app_label, state, after, known, made)
        if reason:
            yield f"{migration}: {operation.describe()}: {reason}"
        state = after


def _reason(
    operation: Any,
    app: str,
    before: ProjectState,
    after: ProjectState,
    known: Known,
    made: set[str],
) -> str:
    if isinstance(operation, HARMLESS):
        return ""
    if isinstance(operation, ops.AddField):
        return _added(_field(after, app, operation.model_name, operation.name))
    if isinstance(operation, ops.RemoveField):
        return _removed(_field(before, app, operation.model_name, operation.name), known)
    if isinstance(operation, ops.AlterField):
        names = (app, operation.model_name, operation.name)
        return _altered(_field(before, *names), _field(after, *names))
    if isinstance(operation, ops.AddConstraint):
        new = operation.model_name_lower in made
        return "" if new else "rows of the old code may not fit it"
    if isinstance(operation, ops.DeleteModel):
        table = before.apps.get_model(app, operation.name)._meta.db_table
        return f"the old code uses {table}" if table in known else ""
    if isinstance(operation, ops.RunPython):
        return ""  # what it does to rows is for people to judge
    return "it is not known to be harmless"


def _field(state: ProjectState, app: str, model: str, name: str) -> Field:
    return state.apps.get_model(app, model)._meta.get_field(name)


def _added(field: Field) -> str:
    if field.many_to_many or field.null or field.has_db_default():
        return ""
    return "the old code does not give it: it needs db_default, or null"


def _removed(field: Field, known: Known) -> str:
    table, column = field.model._meta.db_table, field.column
    return f"the old code uses {table}.{column}" if column in known.get(table, {}) else ""


def _altered(before: Field, after: Field) -> str:
    """Allowed is what takes all that was taken before, and gives it back as it was."""
    kinds = (before.db_type(connection), after.db_type(connection))
    if before.column != after.column:
        return "the old code uses another name"
    if before.get_internal_type() != after.get_internal_type() and not _widened(before, after):
        return f"{kinds[0]} becomes {kinds[1]}"
    if before.null and not after.null:
        return "the old code may leave it empty"
    if after.max_length is not None and (before.max_length or 10**9) > after.max_length:
        return "the old code may write longer values"
    if after.unique and not before.unique:
        return "the old code may write a value twice"
    if before.has_db_default() and not after.has_db_default():
        return "the old code may not give it"
    return ""


def _widened(before: Field, after: Field) -> bool:
    """A whole number that becomes a larger one, or a text that has no bound any more."""
    wider = {
        "SmallIntegerField": ("IntegerField", "BigIntegerField"),
        "PositiveSmallIntegerField": ("PositiveIntegerField", "IntegerField", "BigIntegerField"),
        "IntegerField": ("BigIntegerField",),
        "PositiveIntegerField": ("BigIntegerField", "PositiveBigIntegerField"),
        "CharField": ("TextField",),
    }
    return after.get_internal_type() in wider.get(before.get_internal_type(), ())

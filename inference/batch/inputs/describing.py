"""From what an owner says of an input to all that reading it needs, found once."""

from dataclasses import replace

from aihub.problems import N_
from inference.batch.inputs.described import CSV, JSONL, PARQUET, TABLES, Described, Unreadable
from inference.batch.inputs.forms import form_of, form_of_name
from inference.batch.inputs.mapping import mapped
from inference.batch.inputs.tables import Column, check_columns, columns_in, delimiter_of
from inference.batch.rows import PICTURES, Files, Wanted


def describe(files: Files, described: Described, wanted: Wanted) -> Described:
    """The same with form, delimiter and columns; Unreadable."""
    return found(files, described, wanted)[0]


def found(files: Files, described: Described, wanted: Wanted) -> tuple[Described, list[Column]]:
    """What is described, completed, and the columns of a table; Unreadable."""
    described = _with_form(files, described)
    if described.form not in TABLES:
        if wanted.kind != PICTURES:
            raise Unreadable(
                N_("The input is pictures (%(form)s); the model takes a table."),
                form=described.form,
            )
        return described, []
    first = _first(files, described)
    if described.form == CSV and not described.delimiter:
        described = replace(described, delimiter=delimiter_of(files, first, described))
    columns = columns_in(files, first, described)
    described = replace(described, columns=mapped(described, wanted, columns))
    if described.form != JSONL:  # in which each row has its own
        check_columns(columns, needed(described), described.name(first))
    return described, columns


def is_complete(described: Described) -> bool:
    """Whether nothing is left to be found."""
    if described.form not in TABLES:
        return bool(described.form)
    return bool(described.columns) and bool(described.form != CSV or described.delimiter)


def needed(described: Described) -> set[str]:
    """Columns that every file of a table must have."""
    names = {described.key} if described.key else set()
    for column in described.columns.values():
        names.update((column,) if isinstance(column, str) else column)
    return names


def check_file(files: Files, key: str, described: Described, *, first: bool) -> None:
    """That a file of a table or an archive is as the first is; Unreadable."""
    form, text = form_of(files, key, described), {CSV, JSONL}
    if form != described.form and not (first and {form, described.form} == text):
        raise _mixed(described.name(key), form, described.form)
    if described.form in (CSV, PARQUET) and not first:
        check_columns(columns_in(files, key, described), needed(described), described.name(key))


def _with_form(files: Files, described: Described) -> Described:
    if not described.files:
        raise Unreadable(N_("The input has no files."))
    form = described.form or form_of(files, _first(files, described), described)
    for key in described.files:
        named = form_of_name(described.name(key))
        if not described.form and named and named != form and key != described.files[0]:
            raise _mixed(described.name(key), named, form)
    return replace(described, form=form, several=len(described.files) > 1)


def _first(files: Files, described: Described) -> str:
    """The first file that is not empty; Unreadable."""
    for key in described.files:
        try:
            if files.size(key):
                return key
        except FileNotFoundError:
            raise Unreadable(N_("There is no file “%(name)s”."), name=described.name(key)) from None
    raise Unreadable(N_("The input is empty."))


def _mixed(name: str, form: str, expected: str) -> Unreadable:
    return Unreadable(
        N_("“%(name)s” is %(form)s, and not %(expected)s: all files must be of one form."),
        name=name,
        form=form,
        expected=expected,
    )

"""Fields of the registry's API."""

import json
import re
from typing import Any

from django.utils.translation import gettext, gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aihub.fields import ObjectField, TextField
from registry import preprocessing, semver
from registry.api.streaming import StagedFile
from registry.cards import CARD_MAX
from registry.refusals import Refused
from registry.serving import Serving

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII)
ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
POOL = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
MAX_CLASSES = 1_000_000


class ModelNameField(TextField):
    default_error_messages = {
        "name": _("1 to 100 of a-z, A-Z, 0-9, “.”, “_”, “-”; first and last a letter or digit.")
    }

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not NAME.fullmatch(name):
            self.fail("name")
        return name


class AliasNameField(TextField):
    default_error_messages = {
        "name": _("An alias is 1 to 64 of a-z, 0-9, “_”, “-”, a letter first.")
    }

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not ALIAS.fullmatch(name):
            self.fail("name")
        return name


class VersionField(TextField):
    def to_internal_value(self, data: Any) -> Any:
        return _refusable(semver.parse, super().to_internal_value(data))


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class LabelsField(serializers.Field[Any, Any, Any, Any]):
    """A JSON list, or a file that holds one or a label a line."""

    def get_value(self, dictionary: Any) -> Any:
        return dictionary.get(self.field_name, serializers.empty)

    def to_internal_value(self, data: Any) -> list[str]:
        labels = _labels_of(_text_of(data)) if not isinstance(data, list) else data
        if not all(map(_is_label, labels)):
            raise serializers.ValidationError(_("Each label must be text of 1 to 200 characters."))
        if len(labels) > MAX_CLASSES:
            raise serializers.ValidationError(_("Too many labels."))
        return labels

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "resize": {},
            "crop": {},
            "interpolation": {"type": "string"},
            "mean": {"type": "array", "items": {"type": "number"}},
            "std": {"type": "array", "items": {"type": "number"}},
        },
    }
)
class PreprocessingField(ObjectField):
    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        return _refusable(preprocessing.Preprocessing.parse, value).as_json() if value else {}


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "max_batch": {"type": "integer"},
            "max_delay_ms": {"type": "number"},
            "queue": {"type": "integer"},
            "rules": {"type": "array", "items": {"type": "object"}},
            "fallback": {},
        },
    }
)
class ServingField(ObjectField):
    """How the model is served, see `registry.serving`; shown with the defaults filled in."""

    def to_internal_value(self, data: Any) -> Any:
        return _refusable(Serving.parse, super().to_internal_value(data)).as_json()

    def to_representation(self, value: Any) -> Any:
        return Serving.parse(value).as_json()


class PoolField(TextField):
    """The name of a pool of replicas; empty for the common ones."""

    default_error_messages = {"name": _("A pool is 1 to 64 of a-z, 0-9, “-”, no “-” first.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name and not POOL.fullmatch(name):
            self.fail("name")
        return name


@extend_schema_field(
    {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "exclusiveMinimum": True,
        "exclusiveMaximum": True,
        "nullable": True,
    }
)
class SparsityField(serializers.FloatField):
    """The share of weights that pruning takes away: between 0 and 1."""

    default_error_messages = {"share": _("Must be a number between 0 and 1.")}

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float) or not 0 < data < 1:
            self.fail("share")
        return float(data)


class FilesField(serializers.ListField):
    """Files that were streamed to storage, each by a name of its own."""

    child = serializers.FileField(allow_empty_file=True)

    def to_internal_value(self, data: Any) -> list[StagedFile]:
        files: list[StagedFile] = super().to_internal_value(data)
        names = [file.upload.filename for file in files]
        if len(set(names)) != len(names):
            raise serializers.ValidationError(_("Two files have the same name."))
        return files


class CardField(TextField):
    """Markdown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, max_length=CARD_MAX, **kwargs)


class ParentField(TextField):
    """`1.0.0` of the same model, or `other-model/1.0.0`; null or nothing for none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, allow_null=True, max_length=200, **kwargs)


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            name: {"type": "string"} for name in ("repository", "commit", "dataset", "run")
        },
        "additionalProperties": True,
    }
)
class SourceField(ObjectField):
    """Where a version comes from: a repository, a commit, a data set, a run, and what you like."""


class TagsField(serializers.ListField):
    child = TextField(max_length=64)
    max_length = 100


class ProtectedAliasesField(serializers.ListField):
    """Names of aliases, each once."""

    child = AliasNameField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=50, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        return sorted(set(super().to_internal_value(data)))


def _refusable(parse: Any, value: Any) -> Any:
    try:
        return parse(value)
    except Refused as refused:
        message = gettext(refused.message)
        raise serializers.ValidationError(
            message % refused.values if refused.values else message
        ) from None


def _text_of(data: Any) -> str:
    if isinstance(data, str):
        return data
    if hasattr(data, "read"):
        try:
            return str(data.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise serializers.ValidationError(_("The labels file is not UTF-8 text.")) from None
    raise serializers.ValidationError(_("Must be a JSON list, or a file."))


def _labels_of(text: str) -> list[Any]:
    if not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        raise serializers.ValidationError(_("Not valid JSON.")) from None
    if not isinstance(labels, list):
        raise serializers.ValidationError(_("Must be a JSON list, or a file."))
    return labels


def _is_label(value: Any) -> bool:
    if not (isinstance(value, str) and 0 < len(value) <= 200):
        return False
    return "\0" not in value and value.encode(errors="replace").decode() == value

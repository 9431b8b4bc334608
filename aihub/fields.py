"""Serializers and fields that every app's API is made of: strict where DRF is lenient."""

import json
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

JSON_MAX = 1024 * 1024
JSON_DEPTH = 20  # MariaDB takes no JSON that is deeper than 32


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields: a typing error must not pass in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if hasattr(data, "keys"):
            unknown = sorted(
                {str(name) for name in data} - set(self.fields) - {"csrfmiddlewaretoken"}
            )
            if unknown:
                raise serializers.ValidationError({name: _("No such field.") for name in unknown})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Text that is text in JSON too, and holds no NUL."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class FlagField(serializers.BooleanField):
    """True or false, and nothing that merely looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class FormFlagField(serializers.BooleanField):
    """A flag in a form, where it may be left out: that says nothing, rather than no."""

    default_empty_html = serializers.empty


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object, sent as JSON or as text in a form; no NaN, no deep nesting."""

    def to_internal_value(self, data: Any) -> Any:
        if getattr(data, "is_json_string", False) and len(data) > JSON_MAX:
            raise serializers.ValidationError(_("Longer than 1 MiB."))
        try:
            value = super().to_internal_value(data)
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise serializers.ValidationError(_("Not valid JSON.")) from None
        if not isinstance(value, dict):
            raise serializers.ValidationError(_("Must be a JSON object."))
        if _is_deep(value, JSON_DEPTH):
            raise serializers.ValidationError(_("Nested too deep."))
        return value


def _is_deep(value: Any, most: int) -> bool:
    """Whether lists and objects lie within each other more than `most` times."""
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_is_deep(child, most - 1) for child in children)

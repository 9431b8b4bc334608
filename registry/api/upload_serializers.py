"""What the API of uploads takes and gives."""

import unicodedata
from pathlib import PurePosixPath
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aihub.fields import StrictSerializer, TextField
from registry.api.serializers import VersionFields
from registry.dvc_pointers import POINTER_MAX
from registry.models import Upload
from registry.services.resumable import PARTS_MAX, upload_parts

PATH_MAX = 255
FILES_MAX = 500
NUMBERS_MAX = 1000
SIZE_MAX = 2**63 - 1


class PathField(TextField):
    """Where a file lies in its version: relative, in POSIX's way, nothing that surprises."""

    default_error_messages = {
        "path": _(
            "A path is relative, of folders and a name joined by “/”, without “..”, “\\” and "
            "characters that cannot be seen; at most 255 characters."
        )
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        path = super().to_internal_value(data)
        if not is_path(path):
            self.fail("path")
        return path


def is_path(path: str) -> bool:
    """Whether a file of a version may be called so."""
    parts = path.split("/")
    if len(path) > PATH_MAX or "\\" in path or not path.isprintable():
        return False
    return all(
        part not in ("", ".", "..")
        and part == part.strip()
        and len(part.encode(errors="replace")) <= PATH_MAX
        for part in parts
    )


class WholeNumberField(serializers.IntegerField):
    """A whole number that is one in JSON too."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Sha256Field(serializers.RegexField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[0-9a-fA-F]{64}\Z", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data)).lower()


class UploadInput(StrictSerializer):
    filename = TextField(max_length=255)
    size = WholeNumberField(
        min_value=1, max_value=SIZE_MAX, error_messages={"min_value": _("The file is empty.")}
    )
    sha256 = Sha256Field(required=False)


class PartNumbers(StrictSerializer):
    numbers = serializers.ListField(
        child=WholeNumberField(min_value=1, max_value=PARTS_MAX),
        min_length=1,
        max_length=NUMBERS_MAX,
    )

    def validate_numbers(self, numbers: list[int]) -> list[int]:
        return _without_doubles(numbers, numbers)


class PartTag(StrictSerializer):
    number = WholeNumberField(min_value=1, max_value=PARTS_MAX)
    etag = TextField(max_length=200, help_text="As the PUT answered it; quotes do not matter.")
    size = WholeNumberField(
        required=False, help_text="Not needed; a part may be given as the upload lists it."
    )

    def validate_etag(self, tag: str) -> str:
        return tag.strip('"')


class PartTags(StrictSerializer):
    parts = serializers.ListField(child=PartTag(), min_length=1, max_length=PARTS_MAX)

    def validate_parts(self, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _without_doubles(parts, [part["number"] for part in parts])


class PartOutput(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    size = serializers.IntegerField()
    etag = serializers.CharField()


class PartUrl(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())


class PartUrls(serializers.Serializer[Any]):
    parts = PartUrl(many=True)


class UploadSummary(serializers.ModelSerializer[Upload]):
    """An upload in a list."""

    sha256 = serializers.SerializerMethodField()
    state = serializers.ChoiceField(Upload.States.choices)
    part_count = serializers.IntegerField()

    class Meta:
        model = Upload
        fields: tuple[str, ...] = (
            "id",
            "filename",
            "size",
            "sha256",
            "state",
            "part_size",
            "part_count",
            "created_at",
            "expires_at",
        )

    @extend_schema_field({"type": "string", "nullable": True})
    def get_sha256(self, upload: Upload) -> str | None:
        return upload.sha256 or None


class UploadOutput(UploadSummary):
    """An upload, with the parts of it that arrived while it is open."""

    parts = serializers.SerializerMethodField()

    class Meta(UploadSummary.Meta):
        fields = (*UploadSummary.Meta.fields, "parts")

    @extend_schema_field(PartOutput(many=True))
    def get_parts(self, upload: Upload) -> Any:
        return PartOutput(upload_parts(upload), many=True).data


class UploadedFile(StrictSerializer):
    """A completed upload, and what it is called in the version (else by its own name)."""

    upload = serializers.UUIDField()
    path = PathField(required=False, max_length=PATH_MAX)


class StoredVersion(VersionFields):
    """A version of what is in the store already: `files` that were uploaded before, or `dvc`, the
    text of a `.dvc` file."""

    files = serializers.ListField(
        child=UploadedFile(), required=False, min_length=1, max_length=FILES_MAX
    )
    dvc = TextField(required=False, max_length=POINTER_MAX, trim_whitespace=False)

    def validate_files(self, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _without_doubles(files, [file["upload"] for file in files])

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("files" in attrs) == ("dvc" in attrs):
            raise serializers.ValidationError({"files": _("Give either “files” or “dvc”.")})
        return super().validate(attrs)


def check_paths(paths: list[str]) -> None:
    """`ValidationError` where two paths are the same, or one is a folder of another."""
    folded = [unicodedata.normalize("NFC", path).casefold() for path in paths]
    folders = {str(parent) for path in folded for parent in PurePosixPath(path).parents}
    for path, seen in zip(paths, folded, strict=True):
        if folded.count(seen) > 1:
            message = _("Two files have the path “%(path)s”.")
        elif seen in folders:
            message = _("“%(path)s” is a file and a folder.")
        else:
            continue
        raise serializers.ValidationError({"files": message % {"path": path}})


def _without_doubles(values: list[Any], keys: list[Any]) -> list[Any]:
    if len(set(keys)) != len(keys):
        raise serializers.ValidationError(_("One of these is there twice."))
    return values

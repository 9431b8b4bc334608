"""A version from content that is in the store already."""

from aihub.fields import TextField
from registry.api.serializers import VersionFields
from registry.dvc_pointers import POINTER_MAX


class PointedVersion(VersionFields):
    """JSON: `dvc` is the text of a `.dvc` file."""

    dvc = TextField(max_length=POINTER_MAX, trim_whitespace=False)

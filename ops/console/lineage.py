"""Where a version comes from and what came of it, as links."""

from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from aihub.access import Principal
from registry import selectors
from registry.models import ModelVersion

SOURCE = {
    "repository": _("Repository"),
    "commit": _("Commit"),
    "dataset": _("Data set"),
    "run": pgettext_lazy("of training", "Run"),
}


def lineage_shown(version: ModelVersion, principal: Principal) -> dict[str, Any]:
    """`parent`, `children` and `source` of a version, as far as the reader may know them."""
    parent = selectors.parent_of(version, principal)
    return {
        "parent": _link(parent, version) if parent else None,
        "children": [_link(child, version) for child in selectors.children_of(version, principal)],
        "source": [
            {"title": SOURCE.get(name, name), "text": value, "url": _web(value)}
            for name, value in version.source.items()
        ],
    }


def _link(text: str, beside: ModelVersion) -> dict[str, str]:
    """A version as text (`1.0.0` of the same model, else `model/1.0.0`), and its page."""
    name, _slash, number = text.rpartition("/")
    return {"text": text, "url": reverse("admin:version", args=[name or beside.model.name, number])}


def _web(value: object) -> str:
    """The value itself where it is an address of the web, else nothing."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    return str(value) if parts and parts.scheme in ("http", "https") and parts.netloc else ""

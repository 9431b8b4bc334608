"""`MODEL[@WHICH]`: a version by its number, an alias, a range, or what answers by default."""

import re
from dataclasses import dataclass
from typing import Any

from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub, segment

DEFAULT_ALIAS = "production"
_VERSION = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_ALIAS = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)


@dataclass(frozen=True)
class Which:
    """A model, and which of its versions; the empty text is what answers by default."""

    model: str
    version: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The same, as a prediction asks for it."""
        if not self.version:
            return {}
        return {"alias" if _is_alias(self.version) else "version": self.version}


def parse(text: str) -> Which:
    model, at, version = text.partition("@")
    if not model or (at and not version):
        raise Failure(f"“{text}” does not read as MODEL[@VERSION].", Exit.USAGE)
    return Which(model, version)


def model_path(model: str) -> str:
    return f"/models/{segment(model)}/"


def version_path(model: str, version: str) -> str:
    return f"{model_path(model)}versions/{segment(version)}/"


def alias_path(model: str, alias: str) -> str:
    return f"{model_path(model)}aliases/{segment(alias)}/"


def find(hub: Hub, which: Which) -> dict[str, Any]:
    """The version that is meant, whole."""
    number = which.version
    if not _VERSION.fullmatch(number):
        number = _resolve(hub, which)
    found: dict[str, Any] = hub.get(version_path(which.model, number))
    return found


def _resolve(hub: Hub, which: Which) -> str:
    if not which.version:
        return _default(hub, which.model)
    if _is_alias(which.version):
        return str(hub.get(alias_path(which.model, which.version))["version"])
    return _newest(hub, which.model, which.version)


def _default(hub: Hub, model: str) -> str:
    aliases = hub.get(model_path(model))["aliases"]
    if DEFAULT_ALIAS in aliases:
        return str(aliases[DEFAULT_ALIAS])
    return _newest(hub, model, "")


def _newest(hub: Hub, model: str, wanted: str) -> str:
    """The newest ready version, of those in a range."""
    for found in hub.pages(f"{model_path(model)}versions/", version=wanted):
        if found["state"] == "ready":
            return str(found["version"])
    fitting = f" that fits “{wanted}”" if wanted else ""
    raise Failure(f"“{model}” has no ready version{fitting}.", Exit.MISSING)


def _is_alias(text: str) -> bool:
    """Whether it cannot be a version or a range: `v1` and `x` are taken as ranges."""
    return bool(_ALIAS.fullmatch(text)) and not re.fullmatch(r"v\d[\w.-]*|x", text)

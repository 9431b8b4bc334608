"""What the handler of eviction notices is told: `SPOT_…`, and what Kubernetes tells every Pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Wrong(Exception):
    """A variable that is missing or does not fit, as one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`poll` is in seconds; `metadata_url` is empty for the provider's own."""

    provider: str
    node: str
    namespace: str
    poll: float
    metadata_url: str
    api_url: str
    account: Path
    asked: Path


def read(environ: Mapping[str, str]) -> Settings:
    """Raises Wrong."""
    return Settings(
        provider=_needed(environ, "SPOT_PROVIDER"),
        node=_needed(environ, "SPOT_NODE"),
        namespace=_needed(environ, "SPOT_NAMESPACE"),
        poll=_seconds(environ, "SPOT_POLL", "2"),
        metadata_url=environ.get("SPOT_METADATA_URL", "").rstrip("/"),
        api_url=(environ.get("SPOT_API_URL") or _api(environ)).rstrip("/"),
        account=Path(environ.get("SPOT_ACCOUNT", ACCOUNT)),
        asked=Path(environ.get("SPOT_ASKED", "/tmp/asked")),  # noqa: S108 - the Pod's own /tmp
    )


def _needed(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name, "").strip()):
        raise Wrong(f"{name} is not set.")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: str) -> float:
    value = environ.get(name, default)
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise Wrong(f"{name}={value} does not fit: it must be a number of seconds up to 60.")
    return seconds


def _api(environ: Mapping[str, str]) -> str:
    host = _needed(environ, "KUBERNETES_SERVICE_HOST")
    port = environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

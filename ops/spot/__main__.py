"""`python -m ops.spot`, in a Pod on each spot node (k8s/components/spot-handler)."""

import os
import signal
import ssl
import sys
import threading
from pathlib import Path

import httpx

from aihub import logs
from ops.spot.cluster import Cluster
from ops.spot.handler import Handler
from ops.spot.notices import PROVIDERS
from ops.spot.settings import Settings, Wrong, read

TIMEOUT = 5.0  # seconds, for either of both to answer


def main() -> None:
    try:
        settings = read(os.environ)
        if settings.provider not in PROVIDERS:
            raise Wrong(f"SPOT_PROVIDER={settings.provider}: it must be {', '.join(PROVIDERS)}.")
    except Wrong as reason:
        sys.exit(f"The handler of spot notices cannot start. {reason}")
    logs.configure(level="INFO", role="spot")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    _run(settings, stopped)


def _run(settings: Settings, stopped: threading.Event) -> None:
    provider = PROVIDERS[settings.provider]
    # No proxy stands between a machine and its own metadata, whatever the environment says.
    address = settings.metadata_url or provider.url
    with (
        httpx.Client(base_url=address, timeout=TIMEOUT, trust_env=False) as metadata,
        httpx.Client(
            base_url=settings.api_url,
            timeout=TIMEOUT,
            trust_env=False,
            verify=_authority(settings.account / "ca.crt"),
        ) as api,
    ):
        cluster = Cluster(
            api, node=settings.node, namespace=settings.namespace, account=settings.account
        )
        handler = Handler(lambda: provider.notice(metadata), cluster, settings.asked)
        handler.run(stopped, settings.poll)


def _authority(path: Path) -> ssl.SSLContext:
    """The cluster's own authority, which signed the API server's certificate."""
    return ssl.create_default_context(cafile=str(path) if path.is_file() else None)


if __name__ == "__main__":
    main()

"""The little that is asked of Kubernetes: close a node, and have the hub's Pods leave it."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

SELECTOR = "app.kubernetes.io/name=aihub"
FINISHED = ("Succeeded", "Failed")


class Cluster:
    """One node, and the Pods of one namespace on it, as the API server has them."""

    def __init__(self, api: httpx.Client, *, node: str, namespace: str, account: Path) -> None:
        self._api = api
        self._node = node
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._account = account

    def cordon(self) -> None:
        """Have no new Pod placed on the node."""
        self._call(
            "PATCH",
            f"/api/v1/nodes/{self._node}",
            headers={"Content-Type": "application/merge-patch+json"},
            content='{"spec": {"unschedulable": true}}',
        ).raise_for_status()

    def staying(self) -> list[str]:
        """The names of the hub's Pods on the node that have not been told to leave."""
        found = self._call(
            "GET",
            self._pods,
            params={"fieldSelector": f"spec.nodeName={self._node}", "labelSelector": SELECTOR},
        ).raise_for_status()
        return list(_staying(found.json()["items"]))

    def evict(self, pod: str) -> bool:
        """Tell a Pod to leave, in its own time; False while its disruption budget refuses."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod},
        }
        answer = self._call("POST", f"{self._pods}/{pod}/eviction", json=eviction)
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return False
        if answer.status_code != HTTPStatus.NOT_FOUND:  # it has gone by itself
            answer.raise_for_status()
        return True

    def _call(self, method: str, path: str, **content: Any) -> httpx.Response:
        token = (self._account / "token").read_text().strip()  # it is renewed every hour
        headers = {"Authorization": f"Bearer {token}", **content.pop("headers", {})}
        return self._api.request(method, path, headers=headers, **content)


def _staying(pods: list[dict[str, Any]]) -> Iterator[str]:
    for pod in pods:
        metadata, phase = pod["metadata"], pod.get("status", {}).get("phase")
        if "deletionTimestamp" not in metadata and phase not in FINISHED:
            yield metadata["name"]

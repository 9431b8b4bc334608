"""A small client of the hub's public API, as any program of a user's could be."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

API = "/api/v1"


class HubRefused(Exception):
    """The hub's answer where it was not a success, as a sentence."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        super().__init__(f"{_detail(response)} (HTTP {self.status})")


class HubClient:
    """Signs in with a name and password, again whenever the token has expired."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self._login = {"username": username, "password": password}
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(60, connect=5))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the hub answers, and says that all its roles do."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def version(self, model: str, version: str) -> dict[str, Any] | None:
        """A version as the hub describes it; None where there is none."""
        return self._get_if_there(f"{API}/models/{model}/versions/{version}/")

    def publish(self, model: str, weights: Path, fields: dict[str, str]) -> dict[str, Any]:
        """Publish a version of a model from one file."""
        with weights.open("rb") as file:
            files = {"file": (weights.name, file)}
            path = f"{API}/models/{model}/versions/"
            return self._call("POST", path, data=fields, files=files)

    def alias(self, model: str, name: str) -> dict[str, Any] | None:
        """Where an alias points; None where there is none."""
        return self._get_if_there(f"{API}/models/{model}/aliases/{name}/")

    def set_alias(self, model: str, name: str, version: str, comment: str) -> None:
        body = {"version": version, "comment": comment}
        self._call("PUT", f"{API}/models/{model}/aliases/{name}/", json=body)

    def classify(self, model: str, image: Path, top: int) -> dict[str, Any]:
        """`{version, predictions: [[{label, score}, …]], …}` for one image, best first."""
        with image.open("rb") as file:
            files = {"image": (image.name, file, "image/jpeg")}
            return self._call("POST", f"{API}/models/{model}/predict/?top={top}", files=files)

    def _get_if_there(self, path: str) -> dict[str, Any] | None:
        try:
            return self._call("GET", path)
        except HubRefused as refused:
            if refused.status == 404:
                return None
            raise

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        if "Authorization" not in self._http.headers:
            self._sign_in()
        response = self._http.request(method, path, **content)
        if response.status_code == 401:
            self._sign_in()
            response = self._http.request(method, path, **content)
        return _json(response)

    def _sign_in(self) -> None:
        self._http.headers.pop("Authorization", None)
        token = _json(self._http.post(f"{API}/auth/token/", json=self._login))
        self._http.headers["Authorization"] = f"Bearer {token['access']}"


def _json(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise HubRefused(response)
    body: dict[str, Any] = response.json()
    return body


def _detail(response: httpx.Response) -> str:
    """A problem document's detail and errors, in one line."""
    try:
        problem = response.json()
        errors = "; ".join(f"{e['field']}: {e['detail']}" for e in problem.get("errors") or [])
        return " ".join(filter(None, (problem.get("detail") or problem["title"], errors)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.reason_phrase

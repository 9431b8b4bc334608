"""The hub's API as commands call it: signed in, patient, and with failures as one sentence."""

import os
import ssl
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from aihub import __version__
from aihub.cli import login as logins, places
from aihub.cli.backoff import Backoff
from aihub.cli.failures import Exit, Failure, of_status
from aihub.cli.login import Login

API = "/api/v1"
TRANSFERS = 90.0  # seconds that a transfer waits for a hub that is away
BUSY = 30.0  # seconds that a hub may answer that it cannot serve just now
IDEMPOTENCY = "Idempotency-Key"
_SURE = frozenset({"GET", "PUT", "DELETE"})  # methods that may be said twice


class Hub:
    """One hub for one caller. `patience` is how long (seconds) it may be away."""

    def __init__(self, login: Login, *, patience: float = 3.0) -> None:
        self.login = login
        self.patience = patience
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._http = httpx.Client(
            base_url=login.url,
            verify=tls(),
            timeout=httpx.Timeout(60, connect=10),
            headers={"User-Agent": f"aihub/{__version__}", "Accept-Language": language()},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop.set()
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        given = {name: value for name, value in params.items() if value not in (None, "")}
        return self.call("GET", path, params=given)

    def get_if_there(self, path: str) -> Any:
        """None where there is none, or none that the caller may see."""
        try:
            return self.get(path)
        except Failure as failure:
            if failure.status == 404:
                return None
            raise

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, json={} if body is None else body)

    def call(self, method: str, path: str, **content: Any) -> Any:
        """The JSON of a success; `Failure` for everything else."""
        return _json(self.answer(method, path, **content))

    def pages(self, path: str, limit: int | None = None, **params: Any) -> Iterator[Any]:
        """The results of a list, page by page, at most `limit`."""
        left = limit if limit is not None else 10**9
        page = 1
        while left > 0:
            body = self.get(path, page=page, page_size=min(left, 200), **params)
            yield from body["results"][:left]
            left -= len(body["results"])
            if not body.get("next"):
                return
            page += 1

    def answer(self, method: str, path: str, **content: Any) -> httpx.Response:
        """A success, after as many attempts as patience allows; `Failure` for everything else."""
        response = self._attempts(method, f"{API}{path}", content)
        if not response.is_success:
            raise failure_of(response)
        return response

    def authorization(self) -> str:
        """The header's value, with an access token that is still good."""
        with self._lock:
            if not self.login.api_key and not self.login.fresh:
                self.login = self._renewed(self.login)
            return self.login.authorization()

    def used_up(self, authorization: str) -> bool:
        """After a 401: True where another token than this one may do."""
        with self._lock:
            if self.login.api_key:
                return False
            if self.login.authorization() == authorization:
                self.login = self._renewed(self.login)
            return True

    def _attempts(self, method: str, path: str, content: dict[str, Any]) -> httpx.Response:
        away = Backoff(self.patience, self.stop)
        busy = Backoff(max(self.patience, BUSY), self.stop)
        headers = content.pop("headers", {})
        sure, renewed = method in _SURE or IDEMPOTENCY in headers, False
        while True:
            authorization = self.authorization()
            try:
                response = self._http.request(
                    method, path, headers=headers | {"Authorization": authorization}, **content
                )
            except httpx.TransportError as error:
                if not _may_repeat(sure, error) or not away.wait():
                    raise unreachable(self.login.url, error) from None
                continue
            if response.status_code == 401 and not renewed and self.used_up(authorization):
                renewed = True
            elif not _is_busy(sure, response) or not busy.wait(retry_after(response)):
                return response

    def _renewed(self, login: Login) -> Login:
        """A login with a new access token. Its refresh token is used up by that, once and for
        every process: whoever holds the file's lock renews, the others read what came of it."""
        with places.locked(places.config_file()):
            saved = logins.read()
            if saved is None or saved.url != login.url or saved.username != login.username:
                raise Failure(f"No longer signed in to {login.url}.", Exit.DENIED)
            if saved.access != login.access and saved.fresh:
                return saved
            renewed = saved.with_tokens(refresh(self._http, saved))
            logins.write(renewed)
            return renewed


def connect(**patience: float) -> Hub:
    """The hub that the caller is signed in to."""
    return Hub(logins.current(), **patience)


def sign_in(url: str, username: str, password: str) -> Login:
    """A login by name and password."""
    login = Login(url, username=username)
    body = {"username": username, "password": password}
    return login.with_tokens(_open_call(url, "/auth/token/", body))


def sign_out(login: Login) -> None:
    _open_call(login.url, "/auth/logout/", {"refresh": login.refresh})


def refresh(http: httpx.Client, login: Login) -> dict[str, Any]:
    """A new pair of tokens."""
    try:
        path, body = f"{API}/auth/token/refresh/", {"refresh": login.refresh}
        response = http.post(path, json=body)
    except httpx.TransportError as error:
        raise unreachable(login.url, error) from None
    if response.status_code == 401:
        raise Failure(f"The login to {login.url} has ended: use “aihub login”.", Exit.DENIED)
    if not response.is_success:
        raise failure_of(response)
    tokens: dict[str, Any] = _json(response)
    return tokens


def _open_call(url: str, path: str, body: dict[str, str]) -> dict[str, Any]:
    """A call without credentials in its head."""
    headers = {"Accept-Language": language()}
    try:
        with httpx.Client(base_url=url, verify=tls(), timeout=30, headers=headers) as http:
            response = http.post(f"{API}{path}", json=body)
    except httpx.TransportError as error:
        raise unreachable(url, error) from None
    if not response.is_success:
        raise failure_of(response)
    found: dict[str, Any] = _json(response) if response.content else {}
    return found


def segment(text: str) -> str:
    """A name as one segment of a path."""
    if text in ("", ".", ".."):
        raise Failure(f"“{text}” cannot be a name.", Exit.USAGE)
    return quote(text, safe="")


def tls() -> ssl.SSLContext:
    """The system's certificates, and those of SSL_CERT_FILE."""
    return ssl.create_default_context()


def language() -> str:
    """What the hub's sentences shall be in: as the terminal's, of those that it speaks."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "zh-hans" if value.lower().startswith("zh") else "en"
    return "en"


def unreachable(url: str, error: Exception) -> Failure:
    said = str(error) or type(error).__name__
    return Failure(f"{url} cannot be reached: {said}", Exit.UNREACHABLE)


def retry_after(response: httpx.Response) -> float:
    """Seconds that the hub asks to wait."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def failure_of(response: httpx.Response) -> Failure:
    """A problem document, or whatever else came, as a sentence."""
    status = response.status_code
    try:
        body = response.json()
        detail = str(body.get("detail") or body.get("error") or body["title"])
        errors = [error for error in body.get("errors") or [] if isinstance(error, dict)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return of_status(status, f"{response.url.host} answers {status} {response.reason_phrase}.")
    return of_status(status, detail, errors=errors, request_id=str(body.get("request_id") or ""))


def _json(response: httpx.Response) -> Any:
    if response.status_code == 204 or not response.content:
        return {}
    try:
        return response.json()
    except ValueError:
        raise Failure(f"{response.url.host} does not answer as a hub does.") from None


def _is_busy(sure: bool, response: httpx.Response) -> bool:
    """Whether the same call may go through later; `sure`: it may be said twice."""
    return response.status_code == 503 or (response.status_code == 502 and sure)


def _may_repeat(sure: bool, error: httpx.TransportError) -> bool:
    """Whether the call cannot have had an effect, or may have it twice."""
    return sure or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)

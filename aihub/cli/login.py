"""Who calls which hub: from the environment, else from the file that `aihub login` writes."""

import base64
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import urlsplit

from aihub.cli import places
from aihub.cli.failures import Exit, Failure

DEFAULT_URL = "http://127.0.0.1:8000"  # where `make run` listens
MARGIN = 30.0  # seconds before its end from which an access token counts as used up
LIFETIME = 300.0  # seconds, of a token that does not say


@dataclass(frozen=True)
class Login:
    """A hub's address and what proves who calls. `expires` is by this machine's clock."""

    url: str
    username: str = ""
    api_key: str = ""
    refresh: str = ""
    access: str = ""
    expires: float = 0.0

    @property
    def known(self) -> bool:
        return bool(self.api_key or self.refresh)

    @property
    def fresh(self) -> bool:
        """Whether the access token can be used as it is."""
        return bool(self.access) and time.time() < self.expires - MARGIN

    def authorization(self) -> str:
        return f"Api-Key {self.api_key}" if self.api_key else f"Bearer {self.access}"

    def with_tokens(self, tokens: dict[str, Any]) -> Self:
        """This login with a pair of tokens that was answered just now."""
        access, refresh = str(tokens["access"]), str(tokens["refresh"])
        expires = time.time() + _lifetime(access)
        return replace(self, access=access, refresh=refresh, expires=expires)


def current() -> Login:
    """The login that commands use; `Failure` where there is none."""
    saved = read()
    url, key = os.environ.get("AIHUB_URL", ""), os.environ.get("AIHUB_API_KEY", "")
    address = checked_url(url) if url else saved.url if saved else DEFAULT_URL
    if key:
        return Login(address, api_key=key)
    if saved and saved.url == address:  # a hub's secrets are shown to no other
        return saved
    raise Failure(f"Not signed in to {address}: use “aihub login”.", Exit.DENIED)


def is_saved(login: Login) -> bool:
    """Whether it came from the file."""
    saved = read()
    return saved is not None and saved.url == login.url and saved.username == login.username


def read() -> Login | None:
    """The login in the file."""
    found = places.read_json(places.config_file())
    known = {name: found[name] for name in Login.__dataclass_fields__ if name in found}
    login = Login(**known) if isinstance(known.get("url"), str) else None
    return login if login and login.known else None


def write(login: Login) -> None:
    places.write_json(places.config_file(), asdict(login))


def remove() -> None:
    places.config_file().unlink(missing_ok=True)


def checked_url(url: str) -> str:
    """A hub's address in its plain form; `Failure` for what is none."""
    parts = urlsplit(url.strip())
    try:
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
        fits = fits and parts.port != 0 and not (parts.username or parts.query or parts.fragment)
    except ValueError:
        fits = False
    if not fits:
        raise Failure(
            f"“{url}” is not a hub's address, such as https://hub.example.com.", Exit.USAGE
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _lifetime(token: str) -> float:
    """Seconds from a token's making to its end; clocks need not agree for that."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return float(claims["exp"]) - float(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError):
        return LIFETIME

"""`aihub login`, `logout` and `whoami`."""

import sys
from contextlib import suppress
from typing import Annotated

import typer

from aihub.cli import hub as hubs, login as logins
from aihub.cli.failures import Exit, Failure
from aihub.cli.hub import Hub
from aihub.cli.login import Login
from aihub.cli.output import Output
from aihub.cli.running import Json, command

Url = Annotated[str | None, typer.Option("--url", envvar="AIHUB_URL", help="The hub's address.")]
Username = Annotated[str | None, typer.Option("--username", "-u", help="Who signs in.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
KeyOption = Annotated[
    str | None,
    typer.Option("--api-key", help="Keep this API key instead; “-” reads it from standard input."),
]


@command
def login(
    url: Url = None,
    username: Username = None,
    password_stdin: FromStdin = False,
    api_key: KeyOption = None,
    as_json: Json = False,
) -> None:
    """Sign in to a hub.

    The address and a refresh token, or an API key, are kept in ~/.config/aihub/config.json, which
    only you can read; never the password. Programs set AIHUB_URL and AIHUB_API_KEY instead.
    """
    output = Output(as_json=as_json)
    address = logins.checked_url(url or _asked_url())
    if api_key is not None:
        signed = Login(address, api_key=_secret(api_key))
    else:
        name = username or _ask("User name")
        password = _from_stdin() if password_stdin else _ask("Password", hidden=True)
        signed = hubs.sign_in(address, name, password)
    with Hub(signed) as hub:
        _check(hub)
        logins.write(hub.login)
    _say(output, signed)


@command
def logout(as_json: Json = False) -> None:
    """Forget the login; its refresh token can be used no more."""
    output = Output(as_json=as_json)
    saved = logins.read()
    logins.remove()
    if saved and saved.refresh:
        _end(saved)
    if as_json:
        output.data({"url": saved.url if saved else None})
    else:
        output.line(f"Signed out of {saved.url}." if saved else "Nobody was signed in.")


@command
def whoami(as_json: Json = False) -> None:
    """Say which hub commands go to, and as whom."""
    with hubs.connect() as hub:
        _check(hub)
        _say(Output(as_json=as_json), hub.login)


def _say(output: Output, login: Login) -> None:
    if output.as_json:
        kind = "api-key" if login.api_key else "user"
        output.data({"url": login.url, "kind": kind, "username": login.username or None})
    else:
        who = "an API key" if login.api_key else login.username
        output.line(f"Signed in to {login.url} as {who}.")


def _check(hub: Hub) -> None:
    """`Failure` where the hub does not know the caller."""
    hub.get("/models/", page_size=1)


def _end(login: Login) -> None:
    with suppress(Failure):  # it ends by itself, and nobody holds it any more
        hubs.sign_out(login)


def _asked_url() -> str:
    saved = logins.read()
    default = saved.url if saved else logins.DEFAULT_URL
    return _ask("The hub's address", default=default) if sys.stdin.isatty() else default


def _ask(what: str, *, hidden: bool = False, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        raise Failure(
            "There is no terminal to ask on: use --username with --password-stdin, or --api-key.",
            Exit.USAGE,
        )
    return str(typer.prompt(what, hide_input=hidden, default=default, err=True))


def _secret(given: str) -> str:
    secret = (_from_stdin() if given == "-" else given).strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise Failure("This is no API key.", Exit.USAGE)
    return secret


def _from_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")

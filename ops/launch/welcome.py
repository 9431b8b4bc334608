"""What a person needs to know of a hub that runs: where it is, how to sign in, how to call it."""

from aihub.env import Env
from ops.launch.bootstrap import ADMIN, Administrator, password_path
from ops.launch.console import Console, short
from ops.launch.demo import MODEL, PHOTOGRAPH
from ops.launch.roles import log_path

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def url_of(env: Env) -> str:
    """Where a person on this machine reaches the hub."""
    return f"http://{_host(env)}:{env.AIHUB_PORT}"


def _host(env: Env) -> str:
    host = _EVERYWHERE.get(env.AIHUB_HOST, env.AIHUB_HOST)
    return f"[{host}]" if ":" in host else host


def say_password(env: Env, administrator: Administrator, console: Console) -> None:
    """The generated password, the one time that it is shown."""
    if administrator.just_made:
        console.done(
            f"Made the user {administrator.name} with the password {administrator.password}, "
            f"kept in {_password_file(env)}."
        )


def say_where(env: Env, console: Console) -> None:
    url = url_of(env)
    known = "AIHUB_ADMIN_PASSWORD" if env.AIHUB_ADMIN_PASSWORD else _password_file(env)
    console.plain()
    console.plain(f"  Console   {url}/  (user {ADMIN}, password in {known})")
    console.plain(f"  API       {url}/api/docs/")
    if env.AIHUB_GRPC_PORT:
        console.plain(f"  gRPC      {_host(env)}:{env.AIHUB_GRPC_PORT} (Open Inference Protocol)")
    console.plain(f"  Logs      {short(log_path(env.AIHUB_HOME, '*'))}")
    console.plain("  Call it")
    for line in curl_example(env):
        console.plain(f"    {line}")
    console.plain()
    console.plain("The hub is running; Ctrl-C stops it.")


def curl_example(env: Env) -> tuple[str, ...]:
    """A call that can be pasted into a shell: sign in, then classify the photograph."""
    url = url_of(env)
    given = bool(env.AIHUB_ADMIN_PASSWORD)
    password = "$AIHUB_ADMIN_PASSWORD" if given else f"$(cat {_password_file(env)})"
    login = f'{{\\"username\\": \\"{ADMIN}\\", \\"password\\": \\"{password}\\"}}'
    return (
        f"TOKEN=$(curl -s {url}/api/v1/auth/token/ -H 'Content-Type: application/json' \\",
        f'  -d "{login}" \\',
        """  | sed 's/.*"access": *"\\([^"]*\\)".*/\\1/')""",
        f"curl {url}/api/v1/models/{MODEL}/predict/ \\",
        f'  -H "Authorization: Bearer $TOKEN" -F image=@{short(PHOTOGRAPH)}',
    )


def _password_file(env: Env) -> str:
    return short(password_path(env.AIHUB_HOME))

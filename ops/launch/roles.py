"""The command lines of the roles, and the processes that make a hub on one machine."""

import sys
from collections.abc import Mapping
from pathlib import Path

from aihub.env import Env
from ops.launch import counting
from ops.launch.child import Role

# The administrator's password is the launcher's business alone; where a role counts, each role's.
_HIDDEN = frozenset({"AIHUB_ADMIN_PASSWORD", counting.VARIABLE})


def roles(env: Env, environ: Mapping[str, str]) -> tuple[Role, Role, Role]:
    """The server, the worker and the batch worker, which keeps schedules too, of the hub that
    `env` describes."""
    batch = (*batch_command(env), "--beat")
    return (
        _role("server", "all", server_command(env), env, environ),
        _role("worker", "worker", worker_command(env), env, environ),
        _role("batch worker", "batch", batch, env, environ, log="batch"),
    )


def server_command(env: Env) -> tuple[str, ...]:
    """The ASGI application: `infer`, or `all` where it serves web too."""
    return (
        *(sys.executable, "-m", "aihub.uvicorn_server"),
        *("--host", env.AIHUB_HOST, "--port", str(env.AIHUB_PORT)),
    )


def web_command(env: Env) -> tuple[str, ...]:
    """Django over WSGI; a slow upload holds one of its threads."""
    return (
        *(sys.executable, "-m", "aihub.granian_server"),
        *("--host", env.AIHUB_HOST, "--port", str(env.AIHUB_PORT)),
    )


def worker_command(env: Env) -> tuple[str, ...]:
    """Whoever processes what was published."""
    return _celery_worker("worker", "celery", env.AIHUB_WORKER_PROCESSES)


def batch_command(env: Env) -> tuple[str, ...]:
    """Whoever computes batch jobs, in processes of its own that yield to the others."""
    return _celery_worker("batch", "batch", env.AIHUB_BATCH_PROCESSES)


def beat_command(env: Env) -> tuple[str, ...]:
    """Whoever starts what is scheduled, from the database; it keeps no file."""
    return (
        *(sys.executable, "-m", "aihub.logs", "-m", "celery", "--quiet", "-A", "aihub", "beat"),
        *("--loglevel", "WARNING", "--pidfile="),
    )


def _celery_worker(name: str, queue: str, processes: int) -> tuple[str, ...]:
    """Workers need not hear of each other: their heartbeats stand in the database."""
    return (
        *(sys.executable, "-m", "aihub.logs", "-m", "celery", "--quiet", "-A", "aihub", "worker"),
        *("--loglevel", "WARNING", "-Q", queue, "-P", "prefork"),
        *("--concurrency", str(processes), "--hostname", f"{name}@%h"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )


def log_path(home: Path, name: str) -> Path:
    return home / "logs" / f"{name}.log"


def _role(
    name: str,
    aihub_role: str,
    command: tuple[str, ...],
    env: Env,
    environ: Mapping[str, str],
    log: str = "",
) -> Role:
    return Role(
        name=name,
        command=command,
        environ=_child_environ(env, environ)
        | {"AIHUB_ROLE": aihub_role}
        | counting.environ_for(env, aihub_role),
        log=log_path(env.AIHUB_HOME, log or name),
    )


def _child_environ(env: Env, environ: Mapping[str, str]) -> dict[str, str]:
    """The launcher's environment, with paths that hold in any folder."""
    kept = {name: value for name, value in environ.items() if name not in _HIDDEN}
    kept["AIHUB_HEALTH_PORT"] = "0"  # the server answers for all of them
    kept["AIHUB_HOME"] = str(env.AIHUB_HOME)
    kept["AIHUB_GRPC_PORT"] = str(env.AIHUB_GRPC_PORT)
    # torch's threads that wait by spinning would take the cores from everything else.
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if env.AIHUB_MODELS_FILE:
        kept["AIHUB_MODELS_FILE"] = str(env.AIHUB_MODELS_FILE)
    return kept

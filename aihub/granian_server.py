"""granian as the hub runs it: `python -m aihub.granian_server --host … --port …`."""

import argparse

from granian import Granian
from granian.constants import Interfaces

from aihub import env, logs

THREADS = 32  # a slow upload holds one of them
# Its records go where all others go.
_LOGGING = {"handlers": {}, "formatters": {}, "loggers": {"_granian": {"propagate": True}}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m aihub.granian_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    given = parser.parse_args()
    logs.start(env.read())
    Granian(
        "aihub.wsgi:application",
        address=given.host,
        port=given.port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        websockets=False,
        log_dictconfig=_LOGGING,
    ).serve()


if __name__ == "__main__":
    main()

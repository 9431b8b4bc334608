"""`python -m aihub.logs [-m] PROGRAM ARGUMENT…` runs a Python program, a file or else a module, all
of whose words are lines of the log.

For programs that write for a person, where nobody reads: what they print becomes records.
"""

import runpy
import sys

from aihub import env, logs


def main() -> None:
    logs.start(env.read())
    if sys.argv[1] == "-m":
        sys.argv = sys.argv[2:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()

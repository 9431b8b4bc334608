"""Starts a program that ends when its parent does, however the parent ends.

Run as `python -m ops.launch.tether PARENT_PID PROGRAM ARGUMENT…`; it is replaced by the program.
"""

import os
import sys

from aihub.processes import die_with_parent


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    die_with_parent()
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
    os.execvp(program[0], program)  # noqa: S606 - the program of our own command line


if __name__ == "__main__":
    main()

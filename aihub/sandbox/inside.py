"""The first thing that runs inside: it gives up what it may do, then becomes the program.

`python -I inside.py CONFIG`, with CONFIG as `running.config` writes it. Nothing of the project is
imported but `calls`, which lies beside it, and nothing is left open but the standard streams.
"""

import ctypes
import json
import os
import platform
import resource
import runpy
import signal
import struct
import sys
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - before any import
sys.path.insert(0, _HERE)

import calls  # type: ignore[import-not-found]  # noqa: E402 - found beside this file

LIBC = ctypes.CDLL(None, use_errno=True)
_NO_NEW_PRIVILEGES, _PARENT_DEATH, _SET_SECCOMP, _FILTER_MODE = 38, 1, 22, 2
_BOUNDING_DROP, _LAST_CAPABILITY = 24, 63

# --- Resources and privileges ---


def limit(config: dict[str, Any]) -> None:
    """Memory, processor time, the size of a file, open files, threads; no dump of a crash."""
    for name, most in config["limits"].items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (most, most))


def give_up_privileges() -> None:
    """No capability is left, nor can one be had from a file."""
    for capability in range(_LAST_CAPABILITY + 1):
        LIBC.prctl(_BOUNDING_DROP, capability, 0, 0, 0)  # fails without the right to; none to lose
    _checked(LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")
    header = struct.pack("<Ii", 0x20080522, 0)
    _checked(LIBC.capset(header, bytes(24)), "capset")


# --- Landlock ---

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR = 1, 2, 4, 8
_MAKE_DIR, _MAKE_FILE, _REFER, _TRUNCATE, _IOCTL = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL


def landlock_version() -> int:
    """The version of the kernel's Landlock; 0 where there is none."""
    return max(int(LIBC.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)), 0)


def landlock(config: dict[str, Any]) -> None:
    """Only what the configuration names can be opened, and only so."""
    version = landlock_version()
    handled = (1 << 13) - 1
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    handled |= _IOCTL if version >= 5 else 0
    network, scoped = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("<QQQ", handled, network, scoped)
    rules = int(LIBC.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0))
    _checked(rules, "landlock")
    readable = _EXECUTE | _READ | _READ_DIR
    writable = _READ | _WRITE | _READ_DIR | _MAKE_DIR | _MAKE_FILE | _TRUNCATE
    for path in config["readable"]:
        _allow(rules, path, readable & handled)
    for path in config["writable"]:
        _allow(rules, path, writable & handled)
    _checked(LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0), "landlock")
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rights = rights if os.path.isdir(path) else rights & _OF_FILES  # noqa: PTH112
    rule = struct.pack("<Qi", rights, place)
    _checked(LIBC.syscall(_LANDLOCK_ADD, rules, 1, rule, 0), path)
    os.close(place)


# --- seccomp ---

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_DONE, _EPERM, _ENOSYS = _ERRNO, _ERRNO | 1, _ERRNO | 38
_NUMBER, _ARCHITECTURE = 0, 4  # of struct seccomp_data
_X32 = 0x40000000
_CLONE_THREAD, _UNNAMED_FILE = 0x10000, 0o20000000  # O_TMPFILE
_SET_OWNER, _SET_LEASE, _SET_OWNER_EX, _NOTIFY = 8, 1024, 15, 1026


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _argument(number: int) -> int:
    return 16 + 8 * number  # its lower half


def filter_program(machine: str, process: int) -> bytes:
    """Instructions that judge each system call; anything that is not denied passes."""

    def number(call: Any) -> int:
        return int(getattr(call, machine))

    def when(call: Any, *steps: bytes) -> bytes:
        """`steps` for this call alone; they find the number loaded again behind them."""
        if number(call) < 0:
            return b""
        body = b"".join(steps) + _instruction(_LOAD, _NUMBER)
        return _instruction(_EQUAL, number(call), 0, len(body) // 8) + body

    def denied_if(argument: int, test: int, value: int) -> bytes:
        load = _instruction(_LOAD, _argument(argument))
        return load + _instruction(test, value, 0, 1) + _instruction(_RETURN, _EPERM)

    def denied_unless(argument: int, test: int, value: int) -> bytes:
        load = _instruction(_LOAD, _argument(argument))
        return load + _instruction(test, value, 1, 0) + _instruction(_RETURN, _EPERM)

    program = _instruction(_LOAD, _ARCHITECTURE)
    program += _instruction(_EQUAL, calls.ARCHITECTURES[machine], 1, 0)
    program += _instruction(_RETURN, _KILL)
    program += _instruction(_LOAD, _NUMBER)
    program += _instruction(_AT_LEAST, _X32, 0, 1) + _instruction(_RETURN, _EPERM)
    for call in calls.DENIED.values():
        program += when(call, _instruction(_RETURN, _EPERM))
    for call in calls.PRETENDED.values():
        program += when(call, _instruction(_RETURN, _DONE))
    for call in calls.ABSENT.values():
        program += when(call, _instruction(_RETURN, _ENOSYS))
    program += when(calls.CLONE, denied_unless(0, _ANY_BIT, _CLONE_THREAD))
    program += when(calls.TGKILL, denied_unless(0, _EQUAL, process))
    program += when(calls.PRLIMIT, denied_unless(0, _EQUAL, 0))
    program += when(calls.OPEN, denied_if(1, _ANY_BIT, _UNNAMED_FILE))
    program += when(calls.OPENAT, denied_if(2, _ANY_BIT, _UNNAMED_FILE))
    commands = (_SET_OWNER, _SET_OWNER_EX, _SET_LEASE, _NOTIFY)
    program += when(calls.FCNTL, *(denied_if(1, _EQUAL, command) for command in commands))
    return program + _instruction(_RETURN, _ALLOW)


def filter_calls() -> None:
    """From now on this process and all its threads are judged by the filter."""
    program = filter_program(platform.machine(), os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _checked(LIBC.prctl(_SET_SECCOMP, _FILTER_MODE, fprog, 0, 0), "seccomp")


def _checked(answer: int, what: str) -> None:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    """Confine this process, then run the program that the configuration names."""
    config = json.loads(sys.argv[1])
    LIBC.prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != config["parent"] and config["parent"]:
        os._exit(1)  # it died before we asked to die with it
    os.chdir(config["folder"])
    limit(config)
    give_up_privileges()
    if config["landlock"]:
        landlock(config)
    filter_calls()
    sys.path[0] = os.path.dirname(config["program"])  # noqa: PTH120
    sys.argv = [config["program"], *config["arguments"]]
    runpy.run_path(config["program"], run_name="__main__")


if __name__ == "__main__":
    main()

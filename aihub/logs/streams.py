"""Whatever a process says becomes a record: what it prints, warns of, or raises uncaught."""

import logging
import re
import sys
import threading
from typing import Any, TextIO, cast

_ENDS = re.compile("[\r\n]")  # a progress bar ends its lines with \r
_KEPT = 8192  # characters of a line that has no end yet: more than a record has room for
_uncaught = logging.getLogger("aihub.uncaught")


class Printed:
    """Stands for `sys.stdout` or `sys.stderr`: each line that is printed becomes a record.

    It has no descriptor: what writes past Python, into the file itself, is not seen here.
    """

    encoding, errors = "utf-8", "replace"

    def __init__(self, original: TextIO, name: str, level: int) -> None:
        self.original = original
        self._logger, self._level = logging.getLogger(name), level
        self._here = threading.local()  # each thread's line so far, and whether it is logging

    def write(self, text: str) -> int:
        if getattr(self._here, "logging", False):
            return len(text)  # a handler that complains of itself
        *lines, rest = _ENDS.split(getattr(self._here, "rest", "") + text)
        self._here.rest = rest[:_KEPT]
        for line in lines:
            self._log(line)
        return len(text)

    def flush(self) -> None:
        """What has no end of a line yet waits for it."""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def _log(self, line: str) -> None:
        if not line.strip():
            return
        self._here.logging = True
        try:
            # Its origin is whoever printed it.
            self._logger.log(self._level, "%s", line.rstrip(), stacklevel=3)
        finally:
            self._here.logging = False


def speak() -> None:
    """From now on whatever this process says is a line of the log; for programs without a reader.

    `configure` says where the lines go.
    """
    for name, level in (("stdout", logging.INFO), ("stderr", logging.WARNING)):
        printed = cast(TextIO, Printed(unwrapped(name), name, level))
        setattr(sys, name, printed)
        setattr(sys, f"__{name}__", printed)
    logging.captureWarnings(True)
    sys.excepthook = _raised
    threading.excepthook = _raised_in_thread
    sys.unraisablehook = _unraisable


def unwrapped(name: str) -> TextIO:
    """`sys.stdout` or `sys.stderr` as it was before `speak`."""
    stream = getattr(sys, name)
    return cast(TextIO, getattr(stream, "original", stream))


def _raised(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _uncaught.info("The process was interrupted.")
        return
    _uncaught.critical("The process ends: nobody caught this.", exc_info=(kind, error, trace))


def _raised_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None:
        return
    name = args.thread.name if args.thread else "?"
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    _uncaught.error("The thread %s ends: nobody caught this.", name, exc_info=info)


def _unraisable(args: Any) -> None:
    error = args.exc_value
    info = (args.exc_type, error, args.exc_traceback) if error is not None else None
    what = f"{args.err_msg or 'Nobody could catch this, in'}: {args.object!r}"
    _uncaught.error("%s", what, exc_info=info)

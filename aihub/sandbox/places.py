"""What a confined Python needs to read: the interpreter, its libraries and the system's."""

import site
import sys
import sysconfig
from pathlib import Path

INSIDE = Path(__file__).with_name("inside.py")
_SYSTEM = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
# Libraries count the processors here; nothing else is told.
PROCESSORS = ("/sys/devices/system/cpu",)


def libraries() -> tuple[Path, ...]:
    """Folders and files, each as it is named; those that exist."""
    own = (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *site.getsitepackages())
    of_python = {Path(place) for place in own if _is_of_python(Path(place))}
    named = {Path(place) for place in (*_SYSTEM, *_FILES)}
    code = {INSIDE, INSIDE.with_name("calls.py"), Path(sys.executable)}
    found = sorted(path for path in of_python | named | code if path.exists())
    return tuple(path for path in found if not _lies_in(path, found))


def _is_of_python(path: Path) -> bool:
    """Debian's interpreter calls all of /usr its own: of that the libraries are enough."""
    return len(path.parts) > 2


def _lies_in(path: Path, others: list[Path]) -> bool:
    return any(path != other and path.is_relative_to(other) for other in others)

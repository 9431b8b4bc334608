"""Hostile programs in the sandbox, by each mechanism that works on this machine."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aihub import sandbox
from aihub.sandbox import Limits, Outcome, Work, choice, running

WORKING = [name for name in choice.MECHANISMS if not choice.failure(name)]
MIB = 1024 * 1024
LIMITS = Limits(seconds=20, memory=512 * MIB, disk=32 * MIB, files=100, output=MIB, threads=16)

each = pytest.mark.parametrize("mechanism", WORKING)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


def work_of(folder: Path, code: str, *arguments: object, **fields: object) -> Work:
    program = folder.parent / "program.py"
    program.write_text(textwrap.dedent(code))
    given = Work(program, folder, [str(argument) for argument in arguments], limits=LIMITS)
    return replace(given, **fields)  # type: ignore[arg-type]


def outcome(
    mechanism: str, folder: Path, code: str, *arguments: object, **fields: object
) -> Outcome:
    return sandbox.run(work_of(folder, code, *arguments, **fields), mechanism)


def test_this_machine_has_a_sandbox() -> None:
    assert sandbox.mechanism("auto") in WORKING
    assert choice.BUBBLEWRAP in WORKING or choice.failure(choice.BUBBLEWRAP)


@pytest.mark.parametrize("name", choice.MECHANISMS)
def test_a_mechanism_works_or_says_why_not(name: str) -> None:
    if name in WORKING:
        assert sandbox.mechanism(name) == name
    else:
        with pytest.raises(sandbox.Unavailable, match=name):
            sandbox.mechanism(name)


def test_off_is_no_sandbox() -> None:
    with pytest.raises(sandbox.Unavailable, match="AIHUB_SANDBOX=off"):
        sandbox.mechanism("off")


@each
def test_it_reads_what_it_is_given_and_writes_to_its_folder(mechanism: str, folder: Path) -> None:
    given = folder.parent / "given"
    given.mkdir()
    (given / "a").write_text("words")
    code = """
        import pathlib, sys
        pathlib.Path("b").write_text(pathlib.Path(sys.argv[1], "a").read_text())
        print("done")
    """
    ended = outcome(mechanism, folder, code, given, readable=[given])
    assert (ended.ok, ended.output) == (True, "done\n")
    assert (folder / "b").read_text() == "words"


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[tuple[int, str, str]]:
    """A TCP port, a Unix socket's path and an abstract one's name, where somebody listens."""
    named, abstract = str(tmp_path / "s"), f"aihub-test-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as unseen,
    ):
        unix.bind(named)
        unseen.bind("\0" + abstract)
        unix.listen()
        unseen.listen()
        yield tcp.getsockname()[1], named, abstract


@each
def test_it_reaches_no_network(
    mechanism: str, folder: Path, listeners: tuple[int, str, str]
) -> None:
    code = """
        import socket, sys
        port, named, abstract = int(sys.argv[1]), sys.argv[2], sys.argv[3]
        targets = [(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
                   (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
                   (socket.AF_UNIX, socket.SOCK_STREAM, named),
                   (socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + abstract)]
        for family, kind, address in targets:
            try:
                with socket.socket(family, kind) as made:
                    made.connect(address)
                print("connected", address)
            except OSError:
                pass
        print("end")
    """
    ended = outcome(mechanism, folder, code, *listeners)
    assert (ended.code, ended.output) == (0, "end\n")


@each
def test_it_reads_nothing_else(mechanism: str, folder: Path) -> None:
    secret = folder.parent / "secret_key"
    secret.write_text("secret")
    (folder.parent / "elsewhere").mkdir()
    places = ["/etc/passwd", "/etc/hostname", f"/proc/{os.getpid()}/environ", secret, __file__]
    code = """
        import os, sys
        for place in sys.argv[1:]:
            try:
                with open(place) as file:
                    print("read", place)
            except OSError:
                pass
        for place in ("/", "/home", "/root", "/var", "/tmp", os.path.dirname(sys.argv[4])):
            try:
                named = set(os.listdir(place))
            except OSError:
                continue
            if named & {"secret_key", "elsewhere", ".ssh", "log", "shadow"}:
                print("listed", place)
        print("end")
    """
    ended = outcome(mechanism, folder, code, *places)
    assert (ended.code, ended.output) == (0, "end\n")


@each
def test_it_writes_nowhere_else(mechanism: str, folder: Path) -> None:
    given = folder.parent / "given"
    given.write_text("as it was")
    victim = folder.parent / "victim"
    victim.write_text("as it was")
    code = """
        import os, sys
        given, victim, beside = sys.argv[1:]
        places = [given, victim, beside, "/tmp/aihub-x", "/dev/shm/aihub-x", "/aihub-x",
                  "/var/tmp/aihub-x", os.path.join(os.path.dirname(os.__file__), "aihub-x")]
        for place in places:
            try:
                with open(place, "w") as file:
                    file.write("changed")
                print("wrote", place)
            except OSError:
                pass
        changes = [lambda: os.chmod(given, 0o777), lambda: os.utime(given, (1, 1)),
                   lambda: os.truncate(victim, 0), lambda: os.symlink("/etc", "etc"),
                   lambda: os.link(given, "linked"), lambda: os.rename(given, "moved"),
                   lambda: os.mkfifo("pipe"), lambda: os.chdir(os.path.dirname(victim)) or
                   open("victim", "a")]
        for number, change in enumerate(changes):
            try:
                change()
                print("changed", number)
            except OSError:
                pass
        print("end")
    """
    ended = outcome(mechanism, folder, code, given, victim, folder.parent / "new", readable=[given])
    assert (ended.code, ended.output) == (0, "end\n")
    assert given.read_text() == victim.read_text() == "as it was"
    assert given.stat().st_mtime > 1000
    assert not (folder.parent / "new").exists()
    assert list(folder.iterdir()) == []


@each
def test_it_changes_no_setting_of_the_kernel(mechanism: str, folder: Path) -> None:
    code = """
        import os
        for top in ("/proc/sys", "/proc/irq", "/proc/bus", "/sys"):
            for place, folders, files in os.walk(top):
                for name in files:
                    try:
                        os.close(os.open(os.path.join(place, name), os.O_WRONLY | os.O_NONBLOCK))
                        print("opened", place, name)
                    except OSError:
                        pass
                folders[:] = folders[:20]
        print("end")
    """
    ended = outcome(mechanism, folder, code)
    assert (ended.code, ended.output) == (0, "end\n")


@each
def test_it_starts_no_process(mechanism: str, folder: Path) -> None:
    code = """
        import os, subprocess, sys
        tries = [os.fork, lambda: subprocess.run([sys.executable, "-c", ""]),
                 lambda: os.posix_spawn(sys.executable, [sys.executable], {})]
        for number, attempt in enumerate(tries):
            try:
                attempt()
                print("started", number)
            except OSError:
                pass
        print("end")
    """
    ended = outcome(mechanism, folder, code)
    assert (ended.code, ended.output) == (0, "end\n")


@each
def test_threads_without_end_are_stopped(mechanism: str, folder: Path) -> None:
    code = """
        import threading
        threading.stack_size(32768)
        wait = threading.Event()
        while True:
            threading.Thread(target=wait.wait).start()
    """
    limits = replace(LIMITS, memory=4096 * MIB)
    assert outcome(mechanism, folder, code, limits=limits).exceeded == running.PROCESSES


@each
def test_it_gets_no_more_memory(mechanism: str, folder: Path) -> None:
    code = """
        import mmap
        held = []
        for make in (lambda: bytearray(64 << 20), lambda: mmap.mmap(-1, 64 << 20)):
            try:
                while True:
                    held.append(make())
                    assert len(held) < 32
            except (MemoryError, OSError):
                print("refused")
    """
    ended = outcome(mechanism, folder, code)
    assert (ended.code, ended.output) == (0, "refused\nrefused\n")


@each
@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1e6)"])
def test_it_ends_in_time(mechanism: str, folder: Path, code: str) -> None:
    started = time.monotonic()
    ended = outcome(mechanism, folder, code, limits=replace(LIMITS, seconds=1))
    assert ended.exceeded == running.TIME
    assert time.monotonic() - started < 10


@each
def test_it_cannot_touch_other_processes(mechanism: str, folder: Path) -> None:
    code = """
        import ctypes, fcntl, os, resource, signal, sys
        libc = ctypes.CDLL(None, use_errno=True)
        parent, other = os.getppid(), int(sys.argv[1])
        def attach(pid):
            if libc.ptrace(16, pid, 0, 0) < 0:  # PTRACE_ATTACH
                raise OSError
        def own(pid):
            with open("f", "w") as file:
                fcntl.fcntl(file, 8, pid)  # F_SETOWN
        for pid in {parent, other, -1}:
            tries = [lambda: os.kill(pid, signal.SIGKILL), lambda: attach(pid),
                     lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL),
                     lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, 1)),
                     lambda: os.setpriority(os.PRIO_PROCESS, pid, 19), lambda: own(pid),
                     lambda: os.sched_setaffinity(pid, {0})]
            for number, attempt in enumerate(tries):
                try:
                    attempt()
                    print("reached", pid, number)
                except (OSError, ValueError, OverflowError):
                    pass
        print("end")
    """
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        ended = outcome(mechanism, folder, code, other.pid)
        assert (ended.code, ended.output) == (0, "end\n")
        assert other.poll() is None
        other.kill()


@each
@pytest.mark.parametrize(
    "code",
    [
        "[open(f'f{n}', 'wb').write(bytes(8 << 20)) for n in range(1000)]",
        "[open(f'f{n}', 'wb') for n in range(1000)]",
        "import os; [os.makedirs(f'{n}/a/b/c') for n in range(100000)]",
    ],
    ids=["bytes", "files", "folders"],
)
def test_it_cannot_flood_its_folder(mechanism: str, folder: Path, code: str) -> None:
    ended = outcome(mechanism, folder, code)
    assert ended.exceeded == running.DISK or ended.code
    taken = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
    assert taken < 1024 * MIB


@each
def test_no_byte_is_hidden_from_who_counts(mechanism: str, folder: Path) -> None:
    code = """
        import os
        os.open("kept", os.O_CREAT | os.O_WRONLY)
        os.unlink("kept")
        for attempt in (lambda: os.open(".", os.O_TMPFILE | os.O_RDWR),
                        lambda: os.memfd_create("m")):
            try:
                attempt()
                print("hidden")
            except OSError:
                pass
        print("end")
    """
    ended = outcome(mechanism, folder, code)
    assert (ended.code, ended.output) == (0, "end\n")
    assert (folder / "kept").exists()


@each
def test_what_lies_too_deep_to_be_counted_is_too_much(mechanism: str, folder: Path) -> None:
    code = """
        import os, time
        for _ in range(30):  # beyond the longest path of the kernel
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
        for _ in range(2000):  # beyond what a function may call itself
            os.mkdir("e")
            os.chdir("e")
        open("hidden", "w").write("words")
    """
    ended = outcome(mechanism, folder, code)
    assert ended.exceeded == running.DISK
    sandbox.clear(folder)
    assert not list(folder.iterdir())


def test_what_is_left_is_removed_whatever_its_rights(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").touch(0o000)
    (folder / "link").symlink_to(folder.parent)
    (folder / "a" / "b").chmod(0o300)
    (folder / "a").chmod(0o500)
    sandbox.clear(folder)
    assert not list(folder.iterdir())
    assert folder.parent.exists()


@each
def test_one_file_has_an_end(mechanism: str, folder: Path) -> None:
    code = "file = open('f', 'wb')\nwhile True: file.write(bytes(1 << 20))"
    ended = outcome(mechanism, folder, code)
    assert not ended.ok
    assert (folder / "f").stat().st_size <= LIMITS.disk


@each
def test_it_cannot_flood_its_reader(mechanism: str, folder: Path) -> None:
    ended = outcome(mechanism, folder, "while True: print('x' * 10000)")
    assert ended.exceeded == running.OUTPUT
    assert len(ended.output) < 10_000


@each
def test_closing_its_output_ends_neither_it_nor_its_limits(mechanism: str, folder: Path) -> None:
    closed = "import os, time; os.close(1); os.close(2); time.sleep(float(%s)); open('f', 'w')"
    assert outcome(mechanism, folder, closed % 0.3).ok
    assert (folder / "f").exists()
    limits = replace(LIMITS, seconds=1)
    assert outcome(mechanism, folder, closed % 100, limits=limits).exceeded == running.TIME


@each
def test_it_sees_nothing_of_the_hubs_environment(
    mechanism: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIHUB_SECRET_KEY", "x" * 40)
    ended = outcome(mechanism, folder, "import os; print([n for n in os.environ if 'AIHUB' in n])")
    assert ended.output == "[]\n"


@each
def test_a_crash_is_told_by_its_signal(mechanism: str, folder: Path) -> None:
    ended = outcome(mechanism, folder, "import os; os.abort()")
    assert (ended.ok, ended.how) == (False, "SIGABRT")


@each
def test_it_has_no_privileges(mechanism: str, folder: Path) -> None:
    code = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        tries = [libc.mount(b"none", b".", b"tmpfs", 0, None), libc.unshare(0x10000000),
                 libc.chroot(b"."), libc.bpf(0, 0, 0) if hasattr(libc, "bpf") else -1,
                 libc.syscall(425, 1, 0)]
        print(tries)
        try:
            os.setuid(0 if os.getuid() else 1)
            print("another user")
        except OSError:
            print("end")
    """
    assert outcome(mechanism, folder, code).output == "[-1, -1, -1, -1, -1]\nend\n"


@each
def test_it_dies_with_the_worker_that_started_it(mechanism: str, folder: Path) -> None:
    work_of(folder, "import time; open('alive', 'w').close(); time.sleep(1e6)")
    start = f"""
from pathlib import Path
from aihub.sandbox import Work, run
run(Work(Path({str(folder.parent / "program.py")!r}), Path({str(folder)!r})), {mechanism!r})
"""
    with subprocess.Popen([sys.executable, "-c", start]) as worker:
        wait_until(lambda: (folder / "alive").exists(), 20)
        assert running_in(folder)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not running_in(folder), 10)


def wait_until(holds: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def running_in(folder: Path) -> list[str]:
    """The processes that have the folder in their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and b"inside.py" in words:
            found.append(place.parent.name)
    return found

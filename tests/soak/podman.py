"""Podman with a store of its own: builds an image as root, and runs it as production does."""

import ast
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("podman", "runc", "debootstrap")
BUILD_SECONDS = 900
BASE = "localhost/python-base:soak"


@dataclass(frozen=True)
class Podman:
    """One store, and what lies in it; nothing of the machine's own images is seen."""

    folder: Path

    def __call__(self, *arguments: str, timeout: float = 60) -> str:
        """What a command prints; the test fails with what it said where it fails."""
        done = self.attempt(*arguments, timeout=timeout)
        if done.returncode:
            pytest.fail(
                f"podman {' '.join(arguments)}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
            )
        return done.stdout

    def attempt(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [*self._command(), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def run(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """As production runs it: not root, no capability, nothing writable but two folders."""
        return self("run", *self.confined(), *options, image, *command)

    def confined(self) -> list[str]:
        """The options of such a container."""
        return [
            *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp"),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host"),
            *(f"--ulimit=nofile={_most(resource.RLIMIT_NOFILE, 65536)}",),
            *(f"--ulimit=nproc={_most(resource.RLIMIT_NPROC, 4096)}",),
        ]

    def _command(self) -> list[str]:
        # A store of overlays cannot lie on an overlay.
        driver = "vfs" if _file_system(self.folder) == "overlay" else "overlay"
        return [
            *(
                "podman",
                "--root",
                str(self.folder / "store"),
                "--runroot",
                str(self.folder / "run"),
            ),
            *("--tmpdir", str(self.folder / "tmp"), "--storage-driver", driver),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
        ]


@contextmanager
def podman_in(folder: Path) -> Iterator[Podman]:
    """Podman with its store in `folder`, which is empty again afterwards."""
    if os.geteuid() != 0:
        pytest.fail("Images are built by podman as root: run this test as root.")
    missing = [name for name in PROGRAMS if not shutil.which(name, path="/usr/bin:/usr/sbin")]
    if missing:
        pytest.fail(f"Not installed: {', '.join(missing)}; see tests/soak/packages.txt.")
    podman = Podman(folder)
    try:
        yield podman
    finally:
        podman.attempt("rm", "--all", "--force", "--time", "0", timeout=120)
        _unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)  # podman takes a minute for as much


def make_base(podman: Podman, folder: Path) -> None:
    """Debian 12 with its own Python, as `BASE`: no image can be fetched where tests run."""
    root = folder / "base"
    debootstrap = [
        *("debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates"),
        *("bookworm", str(root), *_mirror()),
    ]
    done = subprocess.run(debootstrap, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode:
        pytest.fail(f"debootstrap failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    archive = folder / "base.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True, timeout=120)
    podman("import", str(archive), BASE, timeout=200)
    archive.unlink()
    shutil.rmtree(root)


def build(podman: Podman, source: Path, folder: Path, tag: str, **arguments: str) -> None:
    """Build the Dockerfile of `source` on `BASE`, with this machine's way to packages."""
    said = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    podman(
        *("build", "--isolation", "chroot", "--format", "docker"),
        *("--timestamp", "0", "--layers=false"),
        *(f"--build-arg=PYTHON_IMAGE={BASE}", *said, *_package_options(folder)),
        *("--tag", tag, str(source)),
        timeout=BUILD_SECONDS,
    )


def _package_options(folder: Path) -> list[str]:
    """Volumes that bring pip's settings of this machine, and the files they name, into a build.
    They leave no trace in the image."""
    settings = _pip_settings()
    file = folder / "pip.conf"
    lines = (f"{name} = {value}" for name, value in settings.items())
    file.write_text("[global]\n" + "\n".join(lines) + "\n")
    places = {path for value in settings.values() for path in _local_places(value)}
    volumes = [f"{file}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in sorted(places))]
    return [f"--volume={volume}" for volume in volumes]


def _pip_settings() -> dict[str, str]:
    """What pip is told here, in files and by the environment, which comes last."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.split("=", 1) for line in listed.splitlines() if "=" in line)
    ordered = sorted(pairs, key=lambda pair: pair[0].startswith(":env:"))
    return {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, value in ordered}


def _local_places(value: str) -> Iterator[Path]:
    """The files and folders of this machine that a setting names."""
    for word in value.split():
        if word.startswith("file://"):
            yield Path(word.removeprefix("file://")).parent  # an index refers to files beside it
        elif word.startswith("/") and Path(word).exists():
            yield Path(word)


def _mirror() -> list[str]:
    """Where this machine takes Debian's packages from, if it says so."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(
        [*asked, "Origin: Debian", "Codename: bookworm"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()[:1]


def _unmount_below(folder: Path) -> None:
    """What a store mounts on itself would outlive it."""
    mounted = (part.mountpoint for part in psutil.disk_partitions(all=True))
    below = sorted((place for place in mounted if Path(place).is_relative_to(folder)), reverse=True)
    if below:
        subprocess.run(["umount", "--lazy", *below], check=False)


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder lies on."""
    mounts, place = psutil.disk_partitions(all=True), folder.resolve()
    holding = [part for part in mounts if place.is_relative_to(part.mountpoint)]
    return max(holding, key=lambda part: len(part.mountpoint)).fstype


def _most(limit: int, wanted: int) -> str:
    """As much of a limit as this process may give, in podman's words."""
    hard = resource.getrlimit(limit)[1]
    number = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return f"{number}:{number}"

"""A Git repository with the real dvc, for the tests; nothing of this machine's settings in it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from aihub.env import BASE_DIR, Env

DVC = BASE_DIR / ".venv" / "dvc" / "bin" / "dvc"


class Repository:
    """`git(…)` and `dvc(…)` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder.parent / f"{folder.name}-home"
        self.home.mkdir(parents=True)

    def begin(self) -> "Repository":
        self.folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.dvc("init", "--quiet")
        return self

    def clone(self, name: str) -> "Repository":
        other = Repository(self.folder.with_name(name))
        self.git("clone", "--quiet", str(self.folder), str(other.folder))
        return other

    def configure(self, remote: dict[str, Any], env: Env) -> None:
        """As the guide says: what the hub answered, and one's credentials beside it."""
        (self.folder / ".dvc" / "config").write_text(remote["config"])
        local = "[core]\n    analytics = false\n    check_update = false\n"
        if remote["type"] == "s3":
            local += "['remote \"aihub\"']\n"
            local += f"    access_key_id = {env.AIHUB_S3_ACCESS_KEY}\n"
            local += f"    secret_access_key = {env.AIHUB_S3_SECRET_KEY}\n"
        (self.folder / ".dvc" / "config.local").write_text(local)

    def write(self, pointer: dict[str, str]) -> None:
        path = self.folder / pointer["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pointer["content"])

    def commit(self, tag: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", tag)
        self.git("tag", tag)

    def git(self, *args: str) -> str:
        return self._run(shutil.which("git") or "git", *args)

    def dvc(self, *args: str) -> str:
        return self._run(str(DVC), *args)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def _environ(self) -> dict[str, str]:
        who = {
            f"GIT_{role}_{what}": "tests@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        folders = {
            name: str(self.home / name.lower())
            for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")
        }
        quiet = {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **who, **folders, **quiet}

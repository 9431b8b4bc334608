"""A real nginx with the hub's own template, of which only the places are filled in."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aihub.env import BASE_DIR
from tests.ports import free_ports
from tests.services import program, running

TEMPLATE = BASE_DIR / "ops" / "stack" / "nginx" / "aihub.conf.template"
_BODIES = "bodies"
MAIN = """
{user}
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/{bodies};
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/aihub.conf;
}}
"""


@dataclass(frozen=True)
class Gateway:
    """Where it listens; `bodies` is the folder that buffered bodies would lie in."""

    port: int
    grpc_port: int
    bodies: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def gateway(
    folder: Path, *, web: int, infer: Sequence[int], grpc: Sequence[int] = (9,)
) -> Iterator[Gateway]:
    """nginx in front of servers at these ports, while the block lasts."""
    port, grpc_port = free_ports(2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aihub.conf").write_text(_filled_in(port, grpc_port, web, infer, grpc))
    user = "user root;" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder, user=user, bodies=_BODIES))
    command = (program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(main))
    with running(command, folder, port):
        yield Gateway(port, grpc_port, folder / _BODIES)


def _filled_in(
    port: int, grpc_port: int, web: int, infer: Sequence[int], grpc: Sequence[int]
) -> str:
    text = TEMPLATE.read_text()
    for name, ports in (("WEB", (web,)), ("INFER", infer), ("INFER_GRPC", grpc)):
        text = _servers(text, name, ports)
    text = text.replace("${AIHUB_LISTEN}", f"127.0.0.1:{port}")
    text = text.replace("${AIHUB_GRPC_LISTEN}", f"127.0.0.1:{grpc_port} http2")
    assert "${" not in text
    return text


def _servers(text: str, name: str, ports: Sequence[int]) -> str:
    """A line for each server in place of the one that names the variable."""

    def lines(line: re.Match[str]) -> str:
        return "".join(line[0].replace(f"${{AIHUB_{name}}}", f"127.0.0.1:{port}") for port in ports)

    return re.sub(rf"^ *server \$\{{AIHUB_{name}\}}.*\n", lines, text, flags=re.MULTILINE)

"""When the certificate ends that a server shows."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from ops.metrics.certificate import expiry_of, not_after
from ops.metrics.hub import CERTIFICATE_EVERY, HubCollector

NAME = "aihub_certificate_expiry_timestamp_seconds"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that nobody trusts, with its key, for 30 days."""
    folder = tmp_path_factory.mktemp("tls")
    path = folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "30", "-subj", "/CN=localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return path


def ends(certificate: Path) -> float:
    """Its end, as openssl says it."""
    said = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", certificate],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter="))


@contextmanager
def listening(certificate: Path | None) -> Iterator[int]:
    """A server that shows it; one that accepts and says nothing where there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(certificate)
    done = threading.Event()

    def serve(server: socket.socket) -> None:
        while not done.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                if certificate:
                    context.wrap_socket(connection, server_side=True).close()
                else:
                    done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def families(collector: HubCollector) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in collector._of_certificate()
    }


def test_its_end_is_read_though_nobody_trusts_it(certificate: Path) -> None:
    with listening(certificate) as port:
        assert expiry_of("localhost", port) == ends(certificate)


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x01", b"no certificate at all"])
def test_what_is_none_has_no_end(der: bytes) -> None:
    with pytest.raises(ValueError):
        not_after(der)


def test_it_is_shown_for_the_host_of_the_public_url_once_it_is_known(certificate: Path) -> None:
    with listening(certificate) as port:
        env = replace(settings.ENV, AIHUB_PUBLIC_URL=f"https://localhost:{port}/hub")
        collector = HubCollector(env)
        assert collector._certificate
        collector._certificate[1].found(10)
        assert families(collector) == {NAME: [({"host": "localhost"}, ends(certificate))]}


def test_a_server_that_says_nothing_delays_no_scrape() -> None:
    with listening(None) as port:
        env = replace(settings.ENV, AIHUB_PUBLIC_URL=f"https://localhost:{port}")
        assert families(HubCollector(env)) == {}
    assert CERTIFICATE_EVERY == 600


def test_without_https_nobody_is_asked() -> None:
    env = replace(settings.ENV, AIHUB_PUBLIC_URL="http://hub.example.com")
    assert families(HubCollector(env)) == {}

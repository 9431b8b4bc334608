"""A real Prometheus and a real Alertmanager, by the configuration of ops/stack."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.ops.stack.rules import PROMETHEUS, RULES
from tests.services import running

READY = "/-/ready"
Config = dict[str, Any]


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    client: httpx.Client

    def values(self, expression: str, **parameters: str) -> list[float]:
        """What a query returns now; ValueError, with Prometheus' words, for one that it refuses."""
        return [float(sample["value"][1]) for sample in self.samples(expression, **parameters)]

    def samples(self, expression: str, **parameters: str) -> list[Any]:
        """The same, with the labels."""
        found = self._ask("query", query=expression, **parameters)
        samples: list[Any] = found["result"]
        return samples

    def labels(self, series: str, label: str) -> list[str]:
        """The values of a label of some series."""
        values: list[str] = self._ask(f"label/{label}/values", **{"match[]": series})
        return values

    def targets(self) -> list[Any]:
        found: list[Any] = self._ask("targets")["activeTargets"]
        return found

    def rules(self) -> list[Any]:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _ask(self, path: str, **parameters: str) -> Any:
        answer = self.client.get(f"/api/v1/{path}", params=parameters).json()
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]


def has_data(values: list[float]) -> bool:
    """Whether a query returned a number: a quotient of nothing is none."""
    return not all(isnan(value) for value in values)


def without_data(
    ask: Callable[[str], list[float]], expressions: Mapping[str, str], seconds: float
) -> dict[str, str]:
    """Those of the named expressions that returned no number within this time, and why."""
    deadline, missing = time.monotonic() + seconds, dict(expressions)
    while True:
        missing = {
            name: why
            for name in missing
            if (why := _why_without(ask, expressions[name])) is not None
        }
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.5)


def _why_without(ask: Callable[[str], list[float]], expression: str) -> str | None:
    try:
        return None if has_data(ask(expression)) else f"no data: {expression}"
    except ValueError as error:
        return f"{error}: {expression}"


def configuration(hub: str, own: str, alertmanager: str) -> Config:
    """That of compose, which looks often, with these addresses in place of the services'."""
    config: Config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] |= dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), "2s"
    )
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager]}]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    names = [name for found in jobs["aihub"].pop("dns_sd_configs") for name in found["names"]]
    jobs["aihub"]["static_configs"] = [
        {"targets": [hub], "labels": {"__meta_dns_name": name}} for name in names
    ]
    addresses = {"prometheus": [own], "alertmanager": [alertmanager], "kong": ["127.0.0.1:1"]}
    for name, targets in addresses.items():
        jobs[name]["static_configs"] = [{"targets": targets}]
    return config


def impatient_rules() -> list[Config]:
    """The rules' files; alerts do not wait before they fire."""
    files: list[Config] = [yaml.safe_load(path.read_text()) for path in RULES]
    for rule in (rule for file in files for group in file["groups"] for rule in group["rules"]):
        rule.pop("for", None)
    return files


@contextmanager
def prometheus(
    folder: Path, port: int, config: Config, rules: list[Config] | None = None
) -> Iterator[Prometheus]:
    """Run one by this configuration and these rules, none unless given."""
    (folder / "rules").mkdir(parents=True)
    for number, file in enumerate(rules or []):
        (folder / "rules" / f"{number}.yml").write_text(yaml.safe_dump(file))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = (
        *("prometheus", f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
    )
    with (
        running(command, folder, port, READY),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield Prometheus(client)


@contextmanager
def alertmanager(folder: Path, port: int, config: Config) -> Iterator[str]:
    """Run one by this configuration; its address."""
    folder.mkdir(parents=True)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = (
        *("prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}"),
        *(f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=",
    )
    with running(command, folder, port, READY):
        yield f"http://127.0.0.1:{port}"

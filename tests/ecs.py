"""Lines of the log against the fields of the index template."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from aihub.env import BASE_DIR

TEMPLATE = BASE_DIR / "ops/stack/elasticsearch/index-template.json"
# What each line has, whoever wrote it.
REQUIRED = (
    *("@timestamp", "message", "ecs.version", "log.level", "log.logger", "event.dataset"),
    *("service.name", "service.version", "service.node.name", "service.node.role"),
)
LONG = 2**63


def template_fields() -> dict[str, Mapping[str, Any]]:
    """Every field of the template, by its dotted name."""
    mappings = json.loads(TEMPLATE.read_text())["template"]["mappings"]
    return dict(_leaves(mappings["properties"]))


def faults_of(line: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with a line: fields that are missing, unknown, or of another type."""
    given = dict(_flat(line))
    faults = [f"{name} is missing" for name in REQUIRED if name not in given]
    for name, value in given.items():
        field = fields.get(name)
        if field is None:
            faults.append(f"{name} is not in the template")
        elif not fits(value, field):
            faults.append(f"{name}={value!r} is no {field['type']}")
    return faults


def fits(value: Any, field: Mapping[str, Any]) -> bool:
    """Whether Elasticsearch would index the value as the field is, and all of it."""
    if value is None:
        return True
    checks: dict[str, Callable[[Any], bool]] = {
        "keyword": _is_text,
        "constant_keyword": _is_text,
        "wildcard": _is_text,
        "match_only_text": _is_text,
        "long": lambda given: type(given) is int and -LONG <= given < LONG,
        "date": _is_date,
        "ip": _is_ip,
    }
    whole = not isinstance(value, str) or len(value) <= field.get("ignore_above", len(value))
    return checks[field["type"]](value) and whole


def _leaves(
    properties: Mapping[str, Any], before: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in properties.items():
        if "properties" in field:
            yield from _leaves(field["properties"], f"{before}{name}.")
        else:
            yield f"{before}{name}", field


def _flat(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_date(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_ip(value: Any) -> bool:
    try:
        return bool(ip_address(value))
    except ValueError:
        return False

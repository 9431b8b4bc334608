"""How a model is served: batching, circuit breaking and degrading, as its owner says.

Pure values and their checks, for the door as well as for the replicas that act on them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from registry.refusals import N_, Refused

SLOW_RATIO, ERROR_RATIO, ERROR_COUNT = "slow_ratio", "error_ratio", "error_count"
STRATEGIES = (SLOW_RATIO, ERROR_RATIO, ERROR_COUNT)
FALLBACKS = ("none", "previous", "model")
MAX_RULES = 10

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a breaker opens, in Sentinel's terms.

    `threshold` is a ratio from 0 to 1, or for `error_count` a number of errors. Calls slower than
    `slow_ms` count as slow. Nothing is judged before `min_calls` calls within `window_s` seconds.
    An open breaker lets `probes` calls through after `open_s` seconds.
    """

    strategy: str = ERROR_RATIO
    threshold: float = 0.5
    slow_ms: float = 1000.0
    window_s: float = 10.0
    min_calls: int = 20
    open_s: float = 5.0
    probes: int = 3


@dataclass(frozen=True, slots=True)
class Fallback:
    """What answers while a breaker is open: `none` (503), `previous` version, another `model`."""

    kind: str = "none"
    model: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """An owner's settings; None leaves a number to the operator."""

    max_batch: int | None = None
    max_delay_ms: float | None = None
    queue: int | None = None
    rules: tuple[Rule, ...] = (Rule(),)
    fallback: Fallback = field(default_factory=Fallback)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read what an owner sent; `Refused` says what does not fit and what would."""
        given = _mapping(value, ("max_batch", "max_delay_ms", "queue", "rules", "fallback"))
        return cls(
            max_batch=_optional(given, "max_batch", 1, 1024, whole=True),
            max_delay_ms=_optional(given, "max_delay_ms", 0, 1000),
            queue=_optional(given, "queue", 1, 100_000, whole=True),
            rules=_rules(given["rules"]) if "rules" in given else (Rule(),),
            fallback=_fallback(given.get("fallback", "none")),
        )

    def as_json(self) -> dict[str, Any]:
        """What `parse` reads back to an equal value."""
        plain = {
            "max_batch": self.max_batch,
            "max_delay_ms": self.max_delay_ms,
            "queue": self.queue,
        }
        return {
            **{name: number for name, number in plain.items() if number is not None},
            "rules": [_rule_json(rule) for rule in self.rules],
            "fallback": {"model": self.fallback.model}
            if self.fallback.kind == "model"
            else self.fallback.kind,
        }


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in Rule.__dataclass_fields__}


def _mapping(value: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused(N_("Serving settings must be a JSON object."))
    unknown = sorted(str(key) for key in value if key not in known)
    if unknown:
        raise Refused(
            N_("There is no serving setting “%(key)s” here; there are: %(known)s."),
            key=unknown[0][:40],
            known=", ".join(known),
        )
    return value


def _optional(
    given: Mapping[str, Any], name: str, low: float, high: float, *, whole: bool = False
) -> Any:
    value = given.get(name)
    return None if value is None else _number(name, value, low, high, whole=whole)


def _number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> Any:
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    if type(value) not in kinds or not low <= value <= high:  # type: ignore[operator]
        raise Refused(
            N_("“%(name)s” must be a number from %(low)s to %(high)s."),
            name=name,
            low=f"{low:g}",
            high=f"{high:g}",
        )
    return value if whole else float(value)  # type: ignore[arg-type]


def _rules(value: object) -> tuple[Rule, ...]:
    if not isinstance(value, list) or len(value) > MAX_RULES:
        raise Refused(N_("“rules” must be a list of at most %(most)s rules."), most=MAX_RULES)
    return tuple(map(_rule, value))


def _rule(value: object) -> Rule:
    given = _mapping(value, tuple(Rule.__dataclass_fields__))
    strategy = given.get("strategy", ERROR_RATIO)
    if strategy not in STRATEGIES:
        raise Refused(N_("“strategy” must be one of: %(known)s."), known=", ".join(STRATEGIES))
    most = 1_000_000 if strategy == ERROR_COUNT else 1
    default = Rule(strategy, threshold=10 if strategy == ERROR_COUNT else 0.5)

    def number(name: str, low: float, high: float, *, whole: bool = False) -> Any:
        return _number(name, given.get(name, getattr(default, name)), low, high, whole=whole)

    return Rule(
        strategy=strategy,
        threshold=number("threshold", 1 if strategy == ERROR_COUNT else 0, most),
        slow_ms=number("slow_ms", 1, 3_600_000),
        window_s=number("window_s", 1, 600),
        min_calls=number("min_calls", 1, 1_000_000, whole=True),
        open_s=number("open_s", 0.1, 3600),
        probes=number("probes", 1, 1000, whole=True),
    )


def _fallback(value: object) -> Fallback:
    if value in ("none", "previous"):
        return Fallback(str(value))
    if isinstance(value, Mapping) and set(value) == {"model"}:
        name = value["model"]
        if isinstance(name, str) and _NAME.fullmatch(name):
            return Fallback("model", name)
    raise Refused(N_('“fallback” must be “none”, “previous”, or {"model": a model\'s name}.'))

"""A model's serving settings in words, for its page."""

from typing import NamedTuple

from django.utils.translation import gettext

from registry.serving import ERROR_COUNT, SLOW_RATIO, Fallback, Rule, Serving


class Fact(NamedTuple):
    """A setting's name, and the sentences that tell it."""

    name: str
    sentences: list[str]


def facts_of(serving: Serving) -> list[Fact]:
    """How the model's batches are made, when its breaker opens, and who answers then."""
    rules = [_rule(rule) for rule in serving.rules]
    return [
        Fact(gettext("Batches"), _batches(serving)),
        Fact(gettext("Circuit breaker"), rules or [gettext("Never opens by itself.")]),
        Fact(gettext("While it is open"), [_fallback(serving.fallback)]),
    ]


def _batches(serving: Serving) -> list[str]:
    given = {
        gettext("Up to %(number)s items at a time."): serving.max_batch,
        gettext("Waits up to %(number)s ms for company."): serving.max_delay_ms,
        gettext("At most %(number)s calls under way or waiting."): serving.queue,
    }
    said = [text % {"number": f"{n:g}"} for text, n in given.items() if n is not None]
    return said or [gettext("As the operator set them.")]


def _rule(rule: Rule) -> str:
    values = {
        "percent": f"{rule.threshold * 100:g}%",
        "number": f"{rule.threshold:g}",
        "calls": rule.min_calls,
        "window": f"{rule.window_s:g}",
        "slow": f"{rule.slow_ms:g}",
        "open": f"{rule.open_s:g}",
        "probes": rule.probes,
    }
    if rule.strategy == SLOW_RATIO:
        when = gettext(
            "Opens when %(percent)s of at least %(calls)s calls in %(window)s s took over "
            "%(slow)s ms."
        )
    elif rule.strategy == ERROR_COUNT:
        when = gettext("Opens when %(number)s of at least %(calls)s calls in %(window)s s failed.")
    else:
        when = gettext("Opens when %(percent)s of at least %(calls)s calls in %(window)s s failed.")
    again = gettext("Tries %(probes)s calls after %(open)s s.")
    return f"{when} {again}" % values


def _fallback(fallback: Fallback) -> str:
    if fallback.kind == "previous":
        return gettext("The version before answers.")
    if fallback.kind == "model":
        return gettext("The model “%(name)s” answers.") % {"name": fallback.model}
    return gettext("Callers get 503, and are told when to come back.")

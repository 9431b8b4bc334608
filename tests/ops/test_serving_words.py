"""Serving settings in words."""

import pytest
from django.utils.translation import override

from ops.console.serving_words import facts_of
from registry.serving import Serving


def told(**settings: object) -> list[str]:
    return [sentence for fact in facts_of(Serving.parse(settings)) for sentence in fact.sentences]


def test_what_nobody_set_is_told_too() -> None:
    assert told() == [
        "As the operator set them.",
        "Opens when 50% of at least 20 calls in 10 s failed. Tries 3 calls after 5 s.",
        "Callers get 503, and are told when to come back.",
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_batch": 8}, "Up to 8 items at a time."),
        ({"max_delay_ms": 2.5}, "Waits up to 2.5 ms for company."),
        ({"queue": 32}, "At most 32 calls under way or waiting."),
        ({"rules": []}, "Never opens by itself."),
        (
            {"rules": [{"strategy": "slow_ratio", "slow_ms": 250, "open_s": 0.5}]},
            "Opens when 50% of at least 20 calls in 10 s took over 250 ms. "
            "Tries 3 calls after 0.5 s.",
        ),
        (
            {"rules": [{"strategy": "error_count", "threshold": 7}]},
            "Opens when 7 of at least 20 calls in 10 s failed. Tries 3 calls after 5 s.",
        ),
        ({"fallback": "previous"}, "The version before answers."),
        ({"fallback": {"model": "spare"}}, "The model “spare” answers."),
    ],
)
def test_each_setting_has_its_sentence(settings: dict[str, object], sentence: str) -> None:
    assert sentence in told(**settings)


def test_it_speaks_chinese() -> None:
    with override("zh-hans"):
        sentences = told(fallback="previous", max_batch=8)
    assert all(any("\u4e00" <= c <= "\u9fff" for c in sentence) for sentence in sentences)

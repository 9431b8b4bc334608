"""Text that every database and every client can hold."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from aihub.plain import plain


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("plain", "plain"),
        ("汉字 🚀", "汉字 🚀"),
        ("a\0b", "a�b"),
        ("a\ud800b", "a?b"),
        ({"\ud800": ["\0", 1, None]}, {"?": ["�", 1, None]}),
        (("a", 1.5), ["a", 1.5]),
    ],
)
def test_it_keeps_what_it_can(value: Any, kept: Any) -> None:
    assert plain(value) == kept


@given(st.text(st.characters()))
def test_any_text_becomes_one_that_can_be_encoded(text: str) -> None:
    assert "\0" not in plain(text)
    assert plain(text).encode().decode() == plain(plain(text))

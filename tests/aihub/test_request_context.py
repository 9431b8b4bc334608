"""Who calls from where, and under which request id."""

import pytest

from aihub import request_context
from aihub.request_context import client_address, request_id_from


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "10.0.0.1"),
        (0, "6.6.6.6", "10.0.0.1"),
        (1, "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        (1, "6.6.6.6,6.6.6.6, 192.0.2.7", "192.0.2.7"),
        (2, "6.6.6.6, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (2, "10.0.0.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, " , ,", "10.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_client_cannot_forge_its_address(proxies: int, forwarded: str, address: str) -> None:
    assert client_address("10.0.0.1", forwarded, trusted_proxies=proxies) == address


@pytest.mark.parametrize("given", ["abcdefgh", "A-1_b.2-3456", "x" * 64])
def test_a_well_formed_request_id_is_kept(given: str) -> None:
    assert request_id_from(given) == given


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "with space", "请求标识符号数字", "a\nb" * 4]
)
def test_any_other_request_id_is_replaced(given: str) -> None:
    assert request_id_from(given) != given
    assert len(request_id_from(given)) == 32


def test_it_holds_within_its_block_alone() -> None:
    before = request_context.current()
    with request_context.use("request-1", "192.0.2.7"):
        assert request_context.current().request_id == "request-1"
        assert request_context.current().address == "192.0.2.7"
    assert request_context.current() is before

"""What the hub calls for somebody: judged on addresses, whatever the name or its spelling."""

from collections.abc import Iterator

import pytest

from ops.models import Delivery
from ops.notifications.addresses import is_public
from ops.notifications.posting import post
from tests.ops.receiver import Receiver, receiving

Errors = Delivery.Errors
PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250"),
    *(
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "fc00::1",
        "fd00:ec2::254",
    ),
    *("ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("::127.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::", "2002:a00:1::", "2002:5db8:d822::"),
    *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2001:0:4136:e378::", "2001:db8::1"),
    *("100::1", "2001:4860:4860::8888%1"),
]
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_internet_is_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1"),
        *("0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    ],
)
def test_this_machine_is_not_called_by_any_spelling(receiver: Receiver, host: str) -> None:
    outcome = post(receiver.url.replace("127.0.0.1", host), {}, "{}")
    assert outcome.error == Errors.ADDRESS
    assert receiver.count == 0


def test_a_name_is_private_when_one_of_its_addresses_is(receiver: Receiver) -> None:
    def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    outcome = post("http://both.example/", {}, "{}", resolver=both)
    assert (outcome.error, outcome.detail) == (Errors.ADDRESS, "127.0.0.1")


def test_a_name_that_answers_otherwise_the_second_time_gains_nothing(receiver: Receiver) -> None:
    """The name is asked for once, and what is called is what was judged."""
    asked = []
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    url = receiver.url.replace("127.0.0.1", "rebinding.example")
    outcome = post(url, {}, "{}", resolver=rebinding)
    assert asked == ["rebinding.example"]
    assert (outcome.error, receiver.count) == (Errors.CONNECTION, 0)  # tests reach no internet
    assert "93.184.216.34" in outcome.detail


def test_private_addresses_are_called_where_the_operator_allows_them(receiver: Receiver) -> None:
    assert post(receiver.url, {}, "{}", private=True).error == ""
    assert receiver.count == 1


def test_the_next_address_is_tried_where_one_does_not_answer(receiver: Receiver) -> None:
    def two(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    url = receiver.url.replace("127.0.0.1", "two.example")
    assert post(url, {}, "{}", private=True, resolver=two).error == ""


def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url, {}, "{}", private=True).error == ""

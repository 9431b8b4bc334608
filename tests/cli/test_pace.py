"""How many parts are under way at once, on lines of a clock of their own."""

from collections.abc import Callable

import pytest

from aihub.cli.pace import MIB, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def sent(most: int, rate: Callable[[int], float], seconds: int = 120) -> tuple[int, int]:
    """The width at the end, and the widest, on a line of `rate(width)` MiB a second."""
    clock = Clock()
    pace = Pace(most, clock)
    widest = 1
    while clock.now < seconds:
        clock.now += 1 / rate(pace.width)
        pace.add(MIB)
        widest = max(widest, pace.width)
    return pace.width, widest


@pytest.mark.parametrize(
    ("most", "rate", "found"),
    [
        (4, lambda width: 10 * width, (4, 4)),  # each connection waits for its answers
        (3, lambda width: 10 * width, (3, 3)),
        (64, lambda width: 10 * min(width, 8), (8, 16)),
        (4, lambda width: 80, (1, 2)),  # full with one already
        (4, lambda width: 80 / width, (1, 2)),  # worse with more
        (4, lambda width: 80 * (1 + 0.3 * (width - 1)), (1, 2)),  # little better with more
        (1, lambda width: 10 * width, (1, 1)),
        (4, lambda width: 0.5, (1, 2)),  # slow
    ],
)
def test_there_are_more_where_that_is_much_faster(
    most: int, rate: Callable[[int], float], found: tuple[int, int]
) -> None:
    assert sent(most, rate) == found


def test_a_short_upload_is_sent_one_by_one() -> None:
    assert sent(4, lambda width: 40, seconds=1) == (1, 1)

"""What Prometheus learns of deliveries."""

from prometheus_client import Counter

from aihub.metrics import count

ARRIVED, FAILED = OUTCOMES = ("arrived", "failed")
WEBHOOK, MAIL = CHANNELS = ("webhook", "mail")

_sent = Counter(
    "aihub_deliveries_sent", "Attempts to deliver by how they ended", ("channel", "outcome")
)


def attempt_ended(*, webhook: bool, arrived: bool) -> None:
    """Count an attempt at a delivery."""
    count(_sent, WEBHOOK if webhook else MAIL, ARRIVED if arrived else FAILED)


def begin() -> None:
    """Have the counts of a process that delivers begin at zero."""
    for channel in CHANNELS:
        for outcome in OUTCOMES:
            count(_sent, channel, outcome, by=0)

"""PromQL that several panels share."""

from ops.dashboards.panels import Query

UP = {0: ("away", "red"), 1: ("answers", "green")}
RATE = "$__rate_interval"


def rate(series: str, by: str = "") -> str:
    """What a counter grows by in a second, of all processes together, by these labels."""
    return f"sum{_by(by)}(rate({series}[{RATE}]))"


def quantiles(histogram: str, matchers: str = "", by: str = "") -> tuple[Query, ...]:
    """The median, and what 95 and 99 % stay under."""
    named = "".join(f"{{{{{label.strip()}}}}} " for label in by.split(",") if label)
    return tuple(
        Query(quantile(percent / 100, histogram, matchers, by), f"{named}p{percent}")
        for percent in (50, 95, 99)
    )


def quantile(share: float, histogram: str, matchers: str = "", by: str = "") -> str:
    """What this share of a histogram's values stays under."""
    buckets = f"{histogram}_bucket{{{matchers}}}" if matchers else f"{histogram}_bucket"
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share:g}, {rate(buckets, labels)})"


def mean(histogram: str, matchers: str = "", by: str = "") -> str:
    """The mean of a histogram's values."""
    chosen = f"{{{matchers}}}" if matchers else ""
    return f"{rate(f'{histogram}_sum{chosen}', by)} / {rate(f'{histogram}_count{chosen}', by)}"


def buckets(histogram: str, matchers: str = "") -> Query:
    """A histogram's buckets, for a heatmap."""
    chosen = f"{{{matchers}}}" if matchers else ""
    return Query(rate(f"{histogram}_bucket{chosen}", "le"), "{{le}}", buckets=True)


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""

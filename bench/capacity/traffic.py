"""A day of calls: night, morning, noon, evening, and a spike that nobody announced."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DAY = 24 * 3600
# Hour of the day, and the share of the peak; between two of them it changes evenly.
PROFILE = (
    *((0, 0.20), (2, 0.15), (5, 0.15), (7, 0.35), (9, 0.85), (10.5, 1.0), (12, 0.9)),
    *((13, 0.75), (15, 0.95), (17, 0.85), (19, 0.6), (21, 0.65), (23, 0.35), (24, 0.20)),
)


@dataclass(frozen=True, slots=True)
class Spike:
    """So many times the usual, reached within `rise` seconds and held for `lasts`."""

    at: float = 3.5 * 3600  # when the fewest replicas run
    times: float = 5.0
    rise: float = 60.0
    lasts: float = 600.0

    def factor(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rising = (seconds - self.at) / self.rise
        falling = (self.at + self.rise + self.lasts - seconds) / self.rise
        return 1 + (self.times - 1) * np.clip(np.minimum(rising, falling), 0, 1)


def rates(peak: float, spike: Spike) -> npt.NDArray[np.float64]:
    """Calls a second that are to be expected in each second of the day."""
    seconds = np.arange(DAY, dtype=np.float64)
    hours, shares = zip(*PROFILE, strict=True)
    usual = np.interp(seconds / 3600, hours, shares)
    return peak * usual * spike.factor(seconds)


def calls(peak: float, spike: Spike, random: np.random.Generator) -> list[int]:
    """Calls of each second: a Poisson process whose rate changes."""
    counts: list[int] = random.poisson(rates(peak, spike)).tolist()
    return counts

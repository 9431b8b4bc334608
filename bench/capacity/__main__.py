"""`python -m bench.capacity`: measure a start, play the day on, draw it."""

from bench.capacity import scenario
from bench.running import alone

if __name__ == "__main__":  # the pool's processes import this module too
    alone("capacity", scenario.run, scenario.report)
    scenario.draw()

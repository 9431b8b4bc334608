"""Where the benchmarks keep things."""

from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
CACHE = BENCH / ".cache"  # weights, pictures, bodies of requests: made once
VENVS = BENCH / ".venvs"
RESULTS = BENCH / "results"
PLOT = ROOT / "docs" / "images" / "benchmark.png"
PHOTOGRAPH = ROOT / "ops" / "launch" / "coffee.jpg"

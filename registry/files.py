"""Which of a version's files is the model itself: one rule for the door, the scan and serving."""

from collections.abc import Mapping

LABEL_FILES = frozenset({"labels.txt", "labels.json"})


def main_of(sizes: Mapping[str, int]) -> str | None:
    """The path of the weights among paths with their bytes, or None where all are labels.

    `.onnx` comes before other names (its data may lie in a larger file beside it), then the
    largest.
    """
    candidates = [path for path in sizes if path not in LABEL_FILES]
    return max(candidates, key=lambda p: (p.endswith(".onnx"), sizes[p], p), default=None)

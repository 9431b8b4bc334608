"""Which of a version's files is the model itself: one rule for the door, the scan and serving."""

from collections.abc import Mapping

LABEL_FILES = frozenset({"labels.txt", "labels.json"})
POOLING_FILE = "1_Pooling/config.json"
# What models of texts bring beside their weights, by the names that their tools give them.
TEXT_FILES = frozenset(
    {
        "added_tokens.json",
        "config.json",
        "config_sentence_transformers.json",
        "data_config.json",
        "generation_config.json",
        "merges.txt",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
        "README.md",
        POOLING_FILE,
    }
)
GRAPHS = (".onnx", ".xml", ".pdmodel")
COMPANIONS = LABEL_FILES | TEXT_FILES


def main_of(sizes: Mapping[str, int]) -> str | None:
    """The path of the weights among paths with their bytes, or None where there are companions
    only.

    What describes a graph comes before other names (its data may lie in a larger file beside it),
    then the largest: a small model may be smaller than its tokenizer, so companions are known by
    name.
    """
    candidates = [path for path in sizes if path not in COMPANIONS]
    return max(candidates, key=lambda p: (p.endswith(GRAPHS), sizes[p], p), default=None)

"""From texts to a model's inputs, by the `tokenizer.json` that lies beside its weights.

The file is data: the `tokenizers` library reads it, and nothing in it names code. What it could do
to hurt is refused while a version is processed: texts that grow (`tokenizer_checks`), and numbers
that the model has no row for (by a run with the largest).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from aihub.problems import N_, Problem
from inference.runtimes.base import Array, Arrays
from inference.side_files import CONFIG, TOKENIZER, config_read
from inference.signature import TensorSpec, described
from inference.spec import FileRef, ModelSpec
from registry.files import TEXT_FILES
from registry.refusals import Refused

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
MAX_LENGTH = 512  # tokens of one text
UNREADABLE = N_("The model's tokenizer cannot take these texts.")
_STEP = 16  # lengths are padded to its multiples, so that batches find texts of the same shape
# These count positions from behind the number of the padding.
_SHIFTED = frozenset({"roberta", "xlm-roberta", "mpnet", "camembert"})


class Tokenizer:
    """Encodes texts for one model; may be called by several threads at once."""

    def __init__(
        self,
        library: tokenizers.Tokenizer,
        inputs: Sequence[TensorSpec],
        longest: int,
        padding: int = 0,
    ) -> None:
        library.no_padding()
        library.enable_truncation(max_length=longest)
        self.longest = longest
        self._library = library
        self._inputs = tuple(inputs)
        self._padding = padding
        self._fixed = max((tensor.shape[1] for tensor in inputs), default=-1)

    def encode(self, texts: Sequence[str]) -> Arrays:
        """[N, L] arrays by input, for N texts cut to the longest that the model takes.

        L is the length of the longest, up to a multiple of 16. Raises Problem 422 for a text that
        the tokenizer cannot take.
        """
        rows = self._encoded(texts)
        shape = (len(rows), self._length(max((len(row.ids) for row in rows), default=0)))
        return {tensor.name: self._array(tensor, rows, shape) for tensor in self._inputs}

    def largest_id(self) -> int:
        """The largest number that a text can become, the padding behind it included."""
        known: Iterable[int] = self._library.get_vocab(with_added_tokens=True).values()
        always: Iterable[int] = self._encoded([""])[0].ids
        return max((*known, *always, self._padding))

    def _encoded(self, texts: Sequence[str]) -> list[Any]:
        try:
            rows = list(self._library.encode_batch_fast(list(texts)))
        except BaseException as error:
            # A panic of the library's, of a regular expression that finds no end for example, is
            # no Exception to Python.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                raise Problem(422, UNREADABLE) from error
            raise
        if any(len(row.ids) > self.longest for row in rows):  # what it always adds is too long
            raise Problem(422, UNREADABLE)
        return rows

    def _length(self, longest: int) -> int:
        if self._fixed > 0:
            return self._fixed
        return min(max(-(-longest // _STEP), 1) * _STEP, self.longest)

    def _array(self, tensor: TensorSpec, rows: Sequence[Any], shape: tuple[int, int]) -> Array:
        array = np.full(shape, self._padding if tensor.name == IDS else 0, dtype=tensor.dtype)
        for index, row in enumerate(rows):
            array[index, : len(row.ids)] = _values(tensor.name, row)
        return array


def _values(name: str, row: Any) -> Any:
    """One text's numbers for an input; all tokens of a text count, as nothing is padded yet."""
    if name == MASK:
        return 1
    return row.ids if name == IDS else row.type_ids


def tokenizer_of(spec: ModelSpec, files: Mapping[str, Path]) -> Tokenizer | None:
    """The tokenizer of a version whose signature is known; None where it takes no texts.

    `files` are local paths by path in the version, `tokenizer_files` among them. Refused where
    there is no tokenizer, or none that can be read.
    """
    if not spec.takes_texts:
        return None
    assert spec.signature is not None
    inputs = spec.signature.inputs
    check_inputs(inputs)
    library = _library(files)
    config = config_read(files, CONFIG)
    longest = _longest(library, files, config, inputs)
    return Tokenizer(library, inputs, longest, _padding(library, config))


def tokenizer_files(spec: ModelSpec) -> tuple[FileRef, ...]:
    """Those of a version's files that `tokenizer_of` reads; few and small."""
    return tuple(file for file in spec.files if spec.takes_texts and file.path in TEXT_FILES)


def check_inputs(inputs: Sequence[TensorSpec]) -> None:
    """Refused unless a tokenizer makes exactly these."""
    names = {tensor.name for tensor in inputs}
    fit = all(t.datatype in ("INT64", "INT32") and len(t.shape) == 2 for t in inputs)
    if not fit or not {IDS} <= names <= {IDS, MASK, TYPES}:
        raise Refused(
            N_(
                "A model of texts takes input_ids, attention_mask and maybe token_type_ids, each "
                "INT64 [N, length]; this model takes %(inputs)s."
            ),
            inputs=described(inputs),
        )


def _library(files: Mapping[str, Path]) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_file(str(files[TOKENIZER]))
    except Exception as error:  # the library raises plain Exception
        raise Refused(
            N_("tokenizer.json cannot be read: %(error)s."), error=str(error)[:300].rstrip(".")
        ) from error


def _longest(
    library: tokenizers.Tokenizer,
    files: Mapping[str, Path],
    config: Mapping[str, Any],
    inputs: Sequence[TensorSpec],
) -> int:
    """How many tokens of a text count: what its owner says, within what the model can take."""
    said = (
        config_read(files, "sentence_bert_config.json").get("max_seq_length"),
        config_read(files, "tokenizer_config.json").get("model_max_length"),
        (library.truncation or {}).get("max_length"),
    )
    wanted = next((number for number in map(_whole, said) if number > 0), MAX_LENGTH)
    lengths = [t.shape[1] for t in inputs if t.shape[1] > 0]
    return min([wanted, MAX_LENGTH, _positions(config), *lengths])


def _positions(config: Mapping[str, Any]) -> int:
    """How many positions the model has; `MAX_LENGTH` where nothing says."""
    found = _whole(config.get("max_position_embeddings"))
    if config.get("model_type") in _SHIFTED:
        found -= _whole(config.get("pad_token_id", 1)) + 1
    return found if found > 0 else MAX_LENGTH


def _padding(library: tokenizers.Tokenizer, config: Mapping[str, Any]) -> int:
    """The number that stands behind the end of a text."""
    if library.padding:
        return _whole(library.padding["pad_id"])
    named = (library.token_to_id(token) for token in ("[PAD]", "<pad>"))
    found = next((number for number in named if number is not None), config.get("pad_token_id"))
    return _whole(found)


def _whole(value: object) -> int:
    """A whole number as configurations write them, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0

"""A model of texts by the Open Inference Protocol and KServe's first one."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.inference import oip
from tests.inference.door import Door, Published
from tests.inference.samples import spec_for
from tests.inference.texts_samples import (
    EMBEDDING,
    minilm_files,
    sentence_transformers_answers,
)

SENTENCES = ("How do I reset my password?", "Wie ist das Wetter?")


@pytest.fixture(scope="module")
def minilm() -> Iterator[Door]:
    files = minilm_files()
    spec = spec_for(files, task=EMBEDDING, format="safetensors")
    with Door({"minilm": Published(spec, files)}) as opened:
        yield opened


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_texts_become_embeddings(minilm: Door, binary: bool, shape: tuple[int, ...]) -> None:
    texts = np.array(SENTENCES, np.object_).reshape(shape)
    result = oip.infer(minilm, "minilm", [oip.tensor("text", texts, binary=binary)])
    (output,) = result.get_response()["outputs"]
    wanted = sentence_transformers_answers(SENTENCES)
    np.testing.assert_allclose(result.as_numpy(output["name"]), wanted, atol=1e-4)


def test_it_takes_numbers_of_tokens_too(minilm: Door) -> None:
    handle = minilm.run(minilm.pool.get(minilm.routes().models["minilm"].resolve()))
    tokens = {"input_ids": [[101, 7592, 102]], "attention_mask": [[1, 1, 1]]}
    inputs = [
        oip.tensor(spec.name, np.array(tokens.get(spec.name, [[0, 0, 0]]), spec.dtype))
        for spec in handle.signature.inputs
    ]
    by_tokens = oip.infer(minilm, "minilm", inputs)
    name = by_tokens.get_response()["outputs"][0]["name"]
    wanted = sentence_transformers_answers(("hello",))
    np.testing.assert_allclose(by_tokens.as_numpy(name), wanted, atol=1e-4)


def test_its_metadata_asks_for_texts(minilm: Door) -> None:
    body = minilm.request("GET", "/v2/models/minilm").json()
    assert body["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_a_text_must_be_utf8(minilm: Door) -> None:
    given = oip.tensor("text", np.array([b"\xff"], np.object_))
    head = {"inputs": [given._get_tensor()]}
    answer = oip.post_raw(minilm, "minilm", head, given._get_binary_data())
    assert "UTF-8" in oip.error(answer, 422)


def test_instances_may_be_texts(minilm: Door) -> None:
    body = {"instances": list(SENTENCES)}
    answer = minilm.request("POST", "/v1/models/minilm:predict", json=body).json()
    wanted = sentence_transformers_answers(SENTENCES)
    np.testing.assert_allclose(answer["predictions"], wanted, atol=1e-4)

"""Texts at the door: answered by real models, and every refusal."""

import asyncio
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.inference.door import Door, Published
from tests.inference.samples import spec_for
from tests.inference.texts_samples import (
    CLASSES,
    CLASSIFICATION,
    EMBEDDING,
    HELD_OUT,
    minilm_files,
    sentence_transformers_answers,
    trained_classifier,
)

SENTENCES = ("How do I reset my password?", "The weather is lovely today.", "long " * 300)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    support, minilm = trained_classifier(tmp_path_factory.mktemp("support")), minilm_files()
    given = {"format": "safetensors"}
    models = {
        "support": Published(
            spec_for(support, task=CLASSIFICATION, labels=CLASSES, **given), support
        ),
        "minilm": Published(spec_for(minilm, task=EMBEDDING, **given), minilm),
    }
    with Door(models) as opened:
        yield opened


def test_each_text_gets_its_embedding(texts: Door) -> None:
    answer = texts.predict("minilm", json={"inputs": list(SENTENCES)})
    assert answer.status_code == 200, answer.text
    vectors = np.array(answer.json()["predictions"])
    np.testing.assert_allclose(vectors, sentence_transformers_answers(SENTENCES), atol=1e-4)


def test_each_text_gets_its_classes(texts: Door) -> None:
    questions, labels = [text for text, _ in HELD_OUT], [label for _, label in HELD_OUT]
    answers = [
        texts.predict("support", json={"inputs": questions[i : i + 4]}, params={"top": 2})
        for i in range(0, len(questions), 4)
    ]
    found = [prediction for answer in answers for prediction in answer.json()["predictions"]]
    assert {len(prediction) for prediction in found} == {2}
    assert sum(p[0]["label"] == label for p, label in zip(found, labels, strict=True)) >= 8


def test_numbers_of_tokens_are_taken_too(texts: Door) -> None:
    tokens = {"input_ids": [[101, 7592, 102]], "attention_mask": [[1, 1, 1]]}
    by_tokens = texts.predict("minilm", json={"inputs": tokens}).json()["predictions"]
    by_text = texts.predict("minilm", json={"inputs": ["hello"]}).json()["predictions"]
    np.testing.assert_allclose(by_tokens, by_text, atol=1e-4)


@pytest.mark.parametrize(
    "inputs",
    [[], [1], ["text", 1], "text", [["text"]], ["x" * 1_000_001], ["a", "b", "c", "d", "e"]],
)
def test_what_is_no_list_of_texts_is_refused(texts: Door, inputs: object) -> None:
    answer = texts.predict("support", json={"inputs": inputs})
    assert answer.status_code == 422, answer.text


def test_an_image_is_no_text(texts: Door) -> None:
    files = {"image": ("image.png", b"\x89PNG", "image/png")}
    assert texts.predict("support", files=files).status_code == 415


def test_an_embedding_has_no_best(texts: Door) -> None:
    answer = texts.predict("minilm", json={"inputs": ["text"]}, params={"top": 2})
    assert answer.status_code == 400


def test_calls_at_once_get_their_own_answers(texts: Door) -> None:
    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(texts.app)
        headers = {"Authorization": "viewer"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub", headers=headers
        ) as client:
            path = "/api/v1/models/minilm/predict/"
            bodies = [{"inputs": [f"number {n} " * (n % 5 * 9 + 1)]} for n in range(24)]
            return await asyncio.gather(*(client.post(path, json=body) for body in bodies))

    together = [answer.json()["predictions"][0] for answer in texts.run(all_of_them())]
    for n in (0, 7, 23):
        alone = texts.predict("minilm", json={"inputs": [f"number {n} " * (n % 5 * 9 + 1)]})
        np.testing.assert_allclose(together[n], alone.json()["predictions"][0], atol=1e-4)

"""Models of texts at a running hub: published as their tools write them, and called with texts."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.contract.calls import predict_json, problem_of, publish, published, unique
from tests.hub import Hub
from tests.inference.texts_samples import (
    CLASSES,
    CLASSIFICATION,
    EMBEDDING,
    HELD_OUT,
    minilm_files,
    sentence_transformers_answers,
    trained_classifier,
)

QUESTIONS = (
    "How do I reset my password?",
    "I forgot my password and need a new one.",
    "The weather is lovely today.",
)


@pytest.fixture(scope="module")
def embedder(hub: Hub) -> str:
    model = unique("minilm")
    published(hub, model, "1.0.0", *minilm_files().values(), task=EMBEDDING)
    return model


@pytest.fixture(scope="module")
def classifier(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    model, folder = unique("support"), tmp_path_factory.mktemp("support")
    version = published(
        hub, model, "1.0.0", *trained_classifier(folder).values(), task=CLASSIFICATION
    )
    assert version["labels"] == list(CLASSES)
    return model


@pytest.fixture
def client(hub: Hub) -> httpx.Client:
    return hub.client()


def test_it_embeds_texts(client: httpx.Client, embedder: str) -> None:
    answer = predict_json(client, embedder, list(QUESTIONS))
    assert answer.status_code == 200, answer.text
    vectors = np.array(answer.json()["predictions"])
    wanted = sentence_transformers_answers(QUESTIONS)
    np.testing.assert_allclose(vectors, wanted, atol=1e-4)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_it_classifies_texts(client: httpx.Client, classifier: str) -> None:
    answer = predict_json(client, classifier, [text for text, _ in HELD_OUT], top=2)
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    right = [p[0]["label"] == label for p, (_, label) in zip(predictions, HELD_OUT, strict=True)]
    assert sum(right) >= 8
    assert {len(prediction) for prediction in predictions} == {2}


@pytest.mark.parametrize("inputs", [[], [1, 2], "text", ["text", 1]])
def test_other_things_are_no_texts(client: httpx.Client, classifier: str, inputs: object) -> None:
    problem_of(predict_json(client, classifier, inputs), 422)


def test_without_a_tokenizer_the_reason_says_what_to_add(hub: Hub, client: httpx.Client) -> None:
    model = unique("bare")
    files: list[Path] = list(minilm_files("model.safetensors", "config.json").values())
    assert publish(client, model, "1.0.0", *files, task=EMBEDDING).status_code == 202
    version = hub.wait_processed(model, "1.0.0")
    assert version["state"] == "rejected"
    assert "send tokenizer.json" in version["reason"]

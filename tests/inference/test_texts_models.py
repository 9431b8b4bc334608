"""Real models of texts through the steps of processing, in every runtime."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file

from inference.loading import model_load
from inference.protocol import answers
from inference.runtimes import runtime_named
from inference.runtimes.base import Arrays, Form, LoadedModel
from inference.runtimes.torch_runtime import TorchModel
from inference.spec import ModelSpec
from inference.specs import spec_of
from inference.texts import Tokenizer, tokenizer_of
from registry.models import ModelVersion, Team
from registry.refusals import Refused
from tests.inference.samples import linear_onnx, spec_for
from tests.inference.test_processing import context_for, process
from tests.inference.texts_samples import (
    CLASSES,
    CLASSIFICATION,
    EMBEDDING,
    HELD_OUT,
    MINILM,
    config,
    minilm_files,
    sentence_transformers_answers,
    trained_classifier,
)

SENTENCES = (
    "How do I reset my password?",
    "I forgot my password and need a new one.",
    "The weather is lovely today.",
    "many words " * 200,
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return trained_classifier(tmp_path_factory.mktemp("classifier"))


def published(team: Team, files: dict[str, Path], task: str, **fields: Any) -> ModelVersion:
    given = {"format": "safetensors", **fields}
    return process(context_for(team, files, task=task, **given))


def serving(spec: ModelSpec, files: dict[str, Path]) -> tuple[LoadedModel, Tokenizer]:
    """The version as the pool loads it."""
    tokenizer = tokenizer_of(spec, files)
    assert tokenizer
    return model_load(spec, files), tokenizer


def embedded(version: ModelVersion, files: dict[str, Path]) -> Any:
    model, tokenizer = serving(spec_of(version), files)
    return answers.rows(model.predict(tokenizer.encode(SENTENCES)), len(SENTENCES))


def test_minilm_embeds_as_the_library_that_it_was_made_with(alpha: Team) -> None:
    files = minilm_files()
    version = published(alpha, files, EMBEDDING)
    assert version.parameter_count == 22_565_376
    assert (version.labels, version.num_classes) == ([], None)
    assert version.signature["inputs"] == [
        {"name": "input_ids", "datatype": "INT64", "shape": [-1, -1]},
        {"name": "attention_mask", "datatype": "INT64", "shape": [-1, -1]},
    ]
    assert version.signature["outputs"] == [
        {"name": "embedding", "datatype": "FP32", "shape": [-1, 384]}
    ]
    vectors = np.array(embedded(version, files))
    np.testing.assert_allclose(vectors, sentence_transformers_answers(SENTENCES), atol=1e-4)
    alike, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert alike > 0.6 > 0.2 > other


def test_the_file_alone_means_the_same(alpha: Team) -> None:
    files = minilm_files("model.safetensors", "tokenizer.json", "config.json")
    vectors = np.array(embedded(published(alpha, files, EMBEDDING), files))
    wanted = sentence_transformers_answers(SENTENCES)[:3]  # the fourth is cut elsewhere
    np.testing.assert_allclose(vectors[:3], wanted, atol=1e-4)


@pytest.mark.parametrize("mode", ["cls", "max"])
def test_the_owner_may_ask_for_another_pooling(alpha: Team, mode: str) -> None:
    files = minilm_files("model.safetensors", "tokenizer.json", "config.json")
    options = {"pooling": mode, "normalise": False}
    version = published(alpha, files, EMBEDDING, architecture_options=options)
    vectors = np.array(embedded(version, files))
    norms = np.linalg.norm(vectors, axis=1)
    assert (norms > 2).all()
    assert not np.allclose(vectors / norms[:, None], sentence_transformers_answers(SENTENCES))


def test_a_classifier_trained_here_is_right_on_other_sentences(
    alpha: Team, classifier: dict[str, Path]
) -> None:
    version = published(alpha, classifier, CLASSIFICATION)
    assert (version.labels, version.num_classes) == (list(CLASSES), 4)
    spec = spec_of(version)
    assert spec.signature
    assert not spec.signature.probabilities
    model, tokenizer = serving(spec, classifier)
    outputs = model.predict(tokenizer.encode([sentence for sentence, _ in HELD_OUT]))
    ranked = answers.ranked(outputs, spec, spec.signature, 2)
    right = [best[0]["label"] == label for best, (_, label) in zip(ranked, HELD_OUT, strict=True)]
    assert sum(right) >= 8
    assert all(len(best) == 2 and best[0]["score"] > best[1]["score"] for best in ranked)


def test_labels_that_were_sent_come_before_those_of_the_configuration(
    alpha: Team, classifier: dict[str, Path]
) -> None:
    version = published(alpha, classifier, CLASSIFICATION, labels=["a", "b", "c", "d"])
    assert version.labels == ["a", "b", "c", "d"]


def test_one_label_a_class(alpha: Team, classifier: dict[str, Path]) -> None:
    with pytest.raises(Refused, match="send num_classes=4"):
        published(alpha, classifier, CLASSIFICATION, labels=["good", "bad"])


def exported(model: LoadedModel, example: Arrays) -> bytes:
    """The module as ONNX, traced with texts that are all of one length."""
    assert isinstance(model, TorchModel)
    names, outputs = [t.name for t in model.signature.inputs], [model.signature.outputs[0].name]
    axes = {**{name: {0: "n", 1: "length"} for name in names}, outputs[0]: {0: "n"}}
    content = io.BytesIO()
    torch.onnx.export(
        model.module,
        tuple(torch.from_numpy(example[name]) for name in names),
        content,
        dynamo=False,
        opset_version=17,
        input_names=names,
        output_names=outputs,
        dynamic_axes=axes,
    )
    return content.getvalue()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:.*aten..index:UserWarning")
@pytest.mark.filterwarnings("ignore:.*feature will be removed:DeprecationWarning")
def test_other_runtimes_answer_as_torch_does_at_every_length(
    alpha: Team, tmp_path: Path, classifier: dict[str, Path]
) -> None:
    spec = spec_of(published(alpha, classifier, CLASSIFICATION))
    model, tokenizer = serving(spec, classifier)
    path = tmp_path / "model.onnx"
    path.write_bytes(exported(model, tokenizer.encode([" ".join(["word"] * 14)] * 2)))
    derived = replace(spec, format="onnx", files=spec_for({"model.onnx": path}, format="").files)
    for name in ("onnxruntime", "openvino"):
        other = runtime_named(name, ()).load(derived, {"model.onnx": path}, Form(2))
        for texts in (SENTENCES[:1], SENTENCES[:3], SENTENCES):
            encoded = tokenizer.encode(texts)
            wanted, found = model.predict(encoded)["logits"], other.predict(encoded)["logits"]
            np.testing.assert_allclose(found, wanted, atol=1e-4)
        other.close()


def bag_of_words(path: Path, output: str = "logits", rows: int = 30_522) -> Path:
    """An ONNX model of texts: the mean of the rows of a table, whatever the mask."""
    table = np.random.default_rng(0).standard_normal((rows, 3)).astype(np.float32)
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["states"]),
        helper.make_node("ReduceMean", ["states"], [output], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [value("input_ids", TensorProto.INT64, ["n", "length"])],
        [
            value("states", TensorProto.FLOAT, ["n", "length", 3]),
            value(output, TensorProto.FLOAT, ["n", 3]),
        ],
        [numpy_helper.from_array(table, "table")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save_model(helper.make_model(graph, ir_version=10, opset_imports=opsets), path)
    return path


def onnx_files(path: Path) -> dict[str, Path]:
    return {path.name: path, **minilm_files("tokenizer.json")}


def test_onnx_models_take_texts_too(alpha: Team, tmp_path: Path) -> None:
    files = onnx_files(bag_of_words(tmp_path / "m.onnx"))
    version = published(alpha, files, CLASSIFICATION, format="onnx", labels=["a", "b", "c"])
    assert version.num_classes == 3
    assert [output["name"] for output in version.signature["outputs"]] == ["logits"]
    model, tokenizer = serving(spec_of(version), files)
    assert model.predict(tokenizer.encode(["some text"])).keys() == {"logits"}


def test_states_of_tokens_are_no_embedding(alpha: Team, tmp_path: Path) -> None:
    files = onnx_files(bag_of_words(tmp_path / "m.onnx", output="pooler_output"))
    with pytest.raises(Refused, match=r"states \[-1, -1, 3\].*Export it with its pooling"):
        published(alpha, files, EMBEDDING, format="onnx")


def test_a_tokenizer_of_another_model_is_refused(alpha: Team, tmp_path: Path) -> None:
    files = onnx_files(bag_of_words(tmp_path / "m.onnx", rows=30_000))
    with pytest.raises(Refused, match="counts up to 30521, further than the model"):
        published(alpha, files, CLASSIFICATION, format="onnx")


def test_images_are_no_texts(alpha: Team, tmp_path: Path) -> None:
    files = onnx_files(linear_onnx(tmp_path / "m.onnx", item=(3, 8, 8)))
    with pytest.raises(Refused, match="takes input_ids"):
        published(alpha, files, CLASSIFICATION, format="onnx")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("tokenizer.json", "send tokenizer.json"), ("config.json", "send config.json")],
)
def test_what_is_missing_is_named(alpha: Team, missing: str, reason: str) -> None:
    files = minilm_files()
    del files[missing]
    with pytest.raises(Refused, match=reason):
        published(alpha, files, EMBEDDING)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"model_type": "t5"}, "describes “t5”"),
        ({"model_type": ["bert"]}, "these are known: albert, bert"),
        ({"position_embedding_type": "relative_key"}, "relative positions"),
        ({"num_hidden_layers": 500_000}, "too many layers"),
        ({"num_hidden_layers": 12}, "Missing: encoder.layer.6"),
        ({"hidden_size": 999_996}, "Of another shape"),
        ({"vocab_size": 10**12}, "numbers up to"),
        ({"max_position_embeddings": 1_000_000}, "Of another shape"),
        ({"hidden_size": -12}, "cannot be built"),
        ({"hidden_size": "wide"}, "cannot be built"),
        ({"hidden_act": "no such thing"}, "cannot be built"),
        ({"pad_token_id": 99_999_999}, "numbers up to"),
    ],
)
def test_an_absurd_configuration_is_refused(
    alpha: Team, tmp_path: Path, said: dict[str, Any], reason: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(**said)))
    files = {**minilm_files(), "config.json": tmp_path / "config.json"}
    with pytest.raises(Refused, match=reason):
        published(alpha, files, EMBEDDING)


def test_nothing_in_a_configuration_names_code(alpha: Team, tmp_path: Path) -> None:
    hostile = {
        "auto_map": {"AutoModel": "evil.Model"},
        "_attn_implementation": "kernels-community/evil",
        "attn_implementation": "kernels-community/evil",
        "quantization_config": {"quant_method": "evil"},
        "trust_remote_code": True,
    }
    (tmp_path / "config.json").write_text(json.dumps(config(**hostile)))
    files = {**minilm_files(), "config.json": tmp_path / "config.json"}
    vectors = np.array(embedded(published(alpha, files, EMBEDDING), files))
    np.testing.assert_allclose(vectors, sentence_transformers_answers(SENTENCES), atol=1e-4)


def test_several_classes_a_text_are_not_served(
    alpha: Team, tmp_path: Path, classifier: dict[str, Path]
) -> None:
    content = json.loads(classifier["config.json"].read_text())
    content["problem_type"] = "multi_label_classification"
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(Refused, match="only one class a text"):
        published(alpha, {**classifier, "config.json": tmp_path / "config.json"}, CLASSIFICATION)


def test_weights_with_the_names_of_old_fit_too(alpha: Team, tmp_path: Path) -> None:
    old = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor
        for name, tensor in load_file(MINILM / "model.safetensors").items()
    }
    old["cls.predictions.bias"] = torch.zeros(30_522)
    save_file(old, tmp_path / "model.safetensors")
    files = {**minilm_files(), "model.safetensors": tmp_path / "model.safetensors"}
    vectors = np.array(embedded(published(alpha, files, EMBEDDING), files))
    np.testing.assert_allclose(vectors, sentence_transformers_answers(SENTENCES), atol=1e-4)


@pytest.mark.parametrize(
    ("modules", "reason"),
    [([{"type": "x.Transformer"}, {"type": "x.Dense"}], "nothing else"), ({}, "must name")],
)
def test_a_layer_that_is_not_served_is_not_left_out(
    alpha: Team, tmp_path: Path, modules: Any, reason: str
) -> None:
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    files = {**minilm_files(), "modules.json": tmp_path / "modules.json"}
    with pytest.raises(Refused, match=reason):
        published(alpha, files, EMBEDDING)


def test_the_pooling_of_sentence_transformers_is_followed(alpha: Team, tmp_path: Path) -> None:
    folder = shutil.copytree(MINILM / "1_Pooling", tmp_path / "1_Pooling")
    pooling = json.loads((folder / "config.json").read_text())
    pooling.update(pooling_mode_mean_tokens=False, pooling_mode_lasttoken=True)
    (folder / "config.json").write_text(json.dumps(pooling))
    files = {**minilm_files(), "1_Pooling/config.json": folder / "config.json"}
    with pytest.raises(Refused, match="one of mean, cls, max"):
        published(alpha, files, EMBEDDING)

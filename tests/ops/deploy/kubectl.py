"""A `kubectl` that writes down what it is asked, and answers as a cluster in which the hub runs.

`kustomize` is the real one's. The state is a JSON file: `revisions` by Deployment, what is
`unchanged` by an apply, `fails` (the beginnings of command lines that end with 1), `migration` (how
the Job ended), what was `asked`, the `images` that were applied.
"""

import json
import os
import sys
from pathlib import Path

import yaml

STATE = Path(os.environ["CLUSTER"])


def main(arguments: list[str]) -> int:
    if arguments[0] == "kustomize":
        os.execv(os.environ["REAL_KUBECTL"], ["kubectl", *arguments])
    state = json.loads(STATE.read_text())
    words = [word for word in arguments if word not in ("--namespace", "aihub")]
    line = " ".join(words)
    if words[0] == "apply":
        line = f"apply {_apply(state, Path(words[words.index('--filename') + 1]))}"
    elif words[:2] == ["rollout", "undo"]:
        state["revisions"][words[2].partition("/")[2]] = words[-1]
    elif words[0] == "get":
        _answer(state, words[1])
    state["asked"].append(line)
    STATE.write_text(json.dumps(state))
    return 1 if any(line.startswith(fails) for fails in state["fails"]) else 0


def _apply(state: dict, file: Path) -> str:
    """The kinds and names that are applied; a Deployment gets a revision more."""
    documents = [d for d in yaml.safe_load_all(file.read_text()) if d]
    named = [(d["kind"], d["metadata"]["name"]) for d in documents]
    for kind, name in named:
        if kind == "Deployment" and name not in state["unchanged"]:
            before = state["revisions"].get(name) or "0"
            state["revisions"][name] = str(int(before) + 1)
    state["images"] += [
        container["image"] for document in documents for container in _containers(document)
    ]
    return " ".join(sorted(f"{kind}/{name}" for kind, name in named))


def _containers(document: dict) -> list[dict]:
    spec = document.get("spec", {}).get("template", {}).get("spec", {})
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def _answer(state: dict, what: str) -> None:
    kind, _, name = what.partition("/")
    print(state["migration"] if kind == "job" else state["revisions"].get(name, ""), end="")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

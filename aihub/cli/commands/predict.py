"""`aihub predict`: one call of a model."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from aihub.cli import calling, hub as hubs, values, which
from aihub.cli.calling import Picture
from aihub.cli.failures import Exit, Failure
from aihub.cli.output import Output
from aihub.cli.running import Json, OneVersion, command

Pictures = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE...", help="Pictures.", dir_okay=False)
]
Top = Annotated[int | None, typer.Option(min=1, help="How many of the best classes.")]


@command
def predict(
    name: OneVersion,
    pictures: Pictures = None,
    json_input: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="JSON of the inputs: arrays, texts, or an object by name; “-” reads it from "
            "standard input.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text, for models of texts; may be repeated.")
    ] = None,
    top: Top = None,
    as_json: Json = False,
) -> None:
    """Call a model with pictures, texts or arrays."""
    output, wanted = Output(as_json=as_json), which.parse(name)
    if sum(map(bool, (pictures, json_input, text))) != 1:
        raise Failure("Name pictures, or --json-input, or --text.", Exit.USAGE)
    with hubs.connect() as hub:
        if pictures:
            files = [Picture(path.name, path.read_bytes()) for path in pictures]
            found = calling.predict_pictures(hub, wanted, files, top)
        else:
            inputs = text or _inputs(str(json_input))
            found = calling.predict_inputs(hub, wanted, inputs, top)
    _say(output, found, [str(path) for path in pictures or []] or text or [])


def _inputs(file: str) -> Any:
    """The inputs in a file: as they are, or as `{"inputs": …}`."""
    text = sys.stdin.read() if file == "-" else values.text_of(Path(file))
    found = values.parsed(text, file)
    bare = not isinstance(found, dict) or set(found) != {"inputs"}
    return found if bare else found["inputs"]


def _say(output: Output, found: dict[str, Any], names: Sequence[str]) -> None:
    if output.as_json:
        output.data(found)
        return
    predictions = found["predictions"]
    if all(map(calling.is_ranking, predictions)):
        output.table(("input", "label", "score"), _rows(predictions, names))
    else:
        for prediction in predictions:
            output.line(json.dumps(prediction, ensure_ascii=False))
    output.note(f"{found['model']} {found['version']}, {found['latency_ms']} ms")


def _rows(predictions: Sequence[Any], names: Sequence[str]) -> list[tuple[str, str, str]]:
    return [
        (_name(names, number) if best is ranking[0] else "", best["label"], f"{best['score']:.4f}")
        for number, ranking in enumerate(predictions)
        for best in ranking
    ]


def _name(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number + 1)

"""The steps that inference adds to processing: convert programs, load the version, run it once.

This module is imported when Django starts, in every role: torch and ONNX Runtime come with
the steps, not with it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inference.spec import TEXT_EMBEDDING
from registry.processing.steps import Context, add_step

if TYPE_CHECKING:
    from inference.runtimes.base import LoadedModel
    from inference.spec import ModelSpec

_MODEL = "inference.model"  # where `load` leaves the model for `sample`


def register() -> None:
    """Add the steps; called when Django is ready."""
    add_step("convert", convert)
    add_step("load", load)
    add_step("sample", sample)


def convert(context: Context) -> None:
    """Make data of a program, in the sandbox; what is data already stays as it is."""
    from inference.converting import conversion

    conversion.convert(context)


def load(context: Context) -> None:
    """Fill in what the owner left open, then load the version as the pool will."""
    from inference import completion, loading
    from inference.specs import spec_of
    from inference.tokenizer_checks import check_tokenizer

    version = context.version
    spec = spec_of(version)
    if spec.takes_texts:
        check_tokenizer(context.paths)
    if spec.task != TEXT_EMBEDDING:
        version.labels = completion.labels(version.labels, context.paths)
        spec = replace(spec, labels=tuple(version.labels))
    spec = loading.runtime_of(spec).completed(spec)
    model = loading.model_load(spec, _paths(context, spec))
    spec = completion.completed(spec, model.signature)
    version.num_classes = spec.num_classes
    version.preprocessing = spec.preprocessing.as_json() if spec.preprocessing else {}
    version.parameter_count = model.parameter_count
    context.scratch[_MODEL] = model


def sample(context: Context) -> None:
    """Run the version on made-up inputs; record what goes in and comes out."""
    from inference import sampling
    from inference.specs import spec_of
    from inference.texts import tokenizer_of

    version = context.version
    # What an earlier attempt recorded must not stand in for what is seen now.
    spec = replace(spec_of(version), signature=None)
    model = context.scratch.pop(_MODEL, None) or _loaded_again(context)
    tokenizer = tokenizer_of(replace(spec, signature=model.signature), context.paths)
    signature = sampling.observe(model, spec, tokenizer)
    version.num_classes = sampling.classes(spec, signature)
    version.signature = signature.as_json()
    model.close()


def _loaded_again(context: Context) -> "LoadedModel":
    """The model, after another worker took over between the steps."""
    from inference import loading
    from inference.specs import spec_of

    spec = spec_of(context.version)
    return loading.model_load(spec, _paths(context, spec))


def _paths(context: Context, spec: "ModelSpec") -> Mapping[str, Path]:
    """What is loaded: the version's files, or what they were converted into."""
    from inference.loading import local_files

    return local_files(spec.files) if context.version.served_format else context.paths

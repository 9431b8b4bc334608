"""The files that variants are loaded from, each made once when a candidate first needs it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from inference.optimising.candidates import EXPORTED, PRUNED, QUANTISED
from inference.optimising.inputs import Inputs
from inference.optimising.task import CompileTask
from inference.runtimes import runtime_named
from inference.runtimes.base import Form
from inference.runtimes.folders import one_folder
from registry.refusals import Refused

if TYPE_CHECKING:
    from inference.runtimes.torch_runtime import TorchModel


class Derived:
    """ONNX files in the task's folder. What could not be made once is not tried again."""

    def __init__(self, task: CompileTask, inputs: Inputs) -> None:
        self._task, self._inputs = task, inputs
        self._makers: Mapping[str, Callable[[Path], None]] = {
            EXPORTED: self._export,
            QUANTISED: self._quantise,
            PRUNED: self._prune,
        }
        self._failures: dict[str, Refused] = {}

    def path(self, kind: str) -> Path:
        """The file, made if need be; Refused where it cannot be made."""
        path = self._task.folder / f"{kind}.onnx"
        if kind in self._failures:
            raise self._failures[kind]
        if not path.exists():
            self._make(kind, path)
        return path

    def _make(self, kind: str, path: Path) -> None:
        """A process that dies on the way leaves nothing that looks finished."""
        unfinished = path.with_suffix(".part.onnx")
        try:
            self._makers[kind](unfinished)
        except Refused as refused:
            self._failures[kind] = refused
            raise
        unfinished.rename(path)

    def _export(self, target: Path) -> None:
        from inference.optimising.exporting import export

        export(self._torch_model(), self._inputs.take(range(2)), target)

    def _torch_model(self) -> "TorchModel":
        """The version on the CPU, laid out as exporters expect it."""
        from inference.runtimes.torch_runtime import TorchModel

        task = self._task
        form = Form(task.threads, options={"channels_last": False})
        model = runtime_named("torch", task.architectures).load(task.spec, task.files, form)
        assert isinstance(model, TorchModel)
        return model

    def _quantise(self, target: Path) -> None:
        from inference.optimising.quantising import MAX_CALIBRATION, quantise

        wanted = range(min(self._inputs.originals, MAX_CALIBRATION))
        inputs = (self._inputs.take([index]) for index in wanted)
        self._from_onnx(lambda source: quantise(source, inputs, target))

    def _prune(self, target: Path) -> None:
        """Before export where that is possible: it folds normalisation into the weights."""
        from inference.optimising import pruning
        from inference.optimising.exporting import export

        sparsity = self._task.sparsity or 0.0
        if self._task.spec.format == "onnx":
            self._from_onnx(lambda source: pruning.prune_onnx(source, sparsity, target))
            return
        model = self._torch_model()
        pruning.prune_module(model.module, sparsity)
        export(model, self._inputs.take(range(2)), target)

    def _from_onnx(self, work: Callable[[Path], None]) -> None:
        """Work on the version's own ONNX, else on the exported one."""
        task = self._task
        if task.spec.format == "onnx":
            with one_folder(task.spec.main_file, task.files) as source:
                work(source)
        else:
            work(self.path(EXPORTED))

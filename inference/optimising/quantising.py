"""INT8 by ONNX Runtime's static quantiser."""

import logging
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from inference.runtimes.base import Arrays
from registry.refusals import N_, Refused

MAX_CALIBRATION = 128  # inputs; more bring nothing


class _Reader(CalibrationDataReader):
    def __init__(self, inputs: Iterable[Arrays]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> Arrays | None:
        return next(self._inputs, None)


def quantise(source: Path, inputs: Iterable[Arrays], target: Path) -> None:
    """Write `source` with INT8 layers (QDQ), calibrated on real inputs; Refused where that fails.

    Activations are unsigned: OpenVINO's compiler does not survive signed ones.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # advice about preprocessing, which has been done
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
            prepared = Path(folder, "prepared.onnx")
            quant_pre_process(str(source), str(prepared))
            quantize_static(
                str(prepared),
                str(target),
                _Reader(inputs),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
    except Exception as error:  # the quantiser raises anything at what it does not know
        raise Refused(
            N_("The model cannot be quantised: %(error)s."), error=str(error)[:300].rstrip(".")
        ) from error
    finally:
        logging.disable(level)

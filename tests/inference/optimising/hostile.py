"""Architectures as an operator might list them, that end badly when they are compiled."""

import os
import signal

import torch
from torch import nn

from tests.inference import samples


class _Digits(nn.Sequential):
    def __init__(self, num_classes: int) -> None:
        super().__init__(*samples.digits_cnn(num_classes))


class _DiesInExport(_Digits):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if torch.onnx.is_in_onnx_export():
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().forward(pixels)


class _CannotBeExported(_Digits):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        sizes = torch.linalg.eigvals(pixels[:, 0].double()).abs().sum(dim=1).float()
        return super().forward(pixels) + 0 * sizes[:, None]


def dies_in_export(num_classes: int) -> nn.Module:
    return _DiesInExport(num_classes)


def cannot_be_exported(num_classes: int) -> nn.Module:
    return _CannotBeExported(num_classes)

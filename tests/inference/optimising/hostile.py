"""Architectures as an operator might list them, that end badly when they are compiled."""

import os
import signal
import threading

import torch
from torch import nn

from tests.inference import samples


class _Digits(nn.Sequential):
    def __init__(self, num_classes: int) -> None:
        super().__init__(*samples.digits_cnn(num_classes))


class _DiesInExport(_Digits):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if torch.onnx.is_in_onnx_export():
            _die()
        return super().forward(pixels)


class _HangsInExport(_Digits):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if torch.onnx.is_in_onnx_export():
            threading.Event().wait()
        return super().forward(pixels)


class _CannotBeExported(_Digits):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        sizes = torch.linalg.eigvals(pixels[:, 0].double()).abs().sum(dim=1).float()
        return super().forward(pixels) + 0 * sizes[:, None]


class _DiesAtOnce(_Digits):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        _die()
        return super().forward(pixels)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def dies_in_export(num_classes: int) -> nn.Module:
    return _DiesInExport(num_classes)


def hangs_in_export(num_classes: int) -> nn.Module:
    return _HangsInExport(num_classes)


def cannot_be_exported(num_classes: int) -> nn.Module:
    return _CannotBeExported(num_classes)


def dies_at_once(num_classes: int) -> nn.Module:
    return _DiesAtOnce(num_classes)

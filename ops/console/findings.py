"""What the layers of a scan said of a version, as badges with a filter."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext, gettext_lazy as _, ngettext_lazy

LAYERS = {
    "archive": _("archive"),
    "code": _("code"),
    "convert": _("conversion"),
    "format": _("format"),
    "graph": _("graph"),
    "onnx": "ONNX",
    "openvino": "OpenVINO",
    "paddle": "PaddlePaddle",
    "pickle": _("pickle"),
    "safetensors": "safetensors",
    "saved_model": "SavedModel",
    "tensors": _("tensors"),
    "tflite": "TFLite",
}
SEVERITIES = {  # the gravest first: name, tone of the badge, how many
    "error": (_("error"), "bad", ngettext_lazy("%(count)s error", "%(count)s errors", "count")),
    "warning": (
        _("warning"),
        "warn",
        ngettext_lazy("%(count)s warning", "%(count)s warnings", "count"),
    ),
    "info": (_("info"), "plain", ngettext_lazy("%(count)s remark", "%(count)s remarks", "count")),
}


def findings_shown(report: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings of a report, the gravest first, each with `tone`, `title` and `text`."""
    order = list(SEVERITIES)
    shown = [_shown(finding) for finding in report]
    return sorted(shown, key=lambda finding: order.index(finding["severity"]))


def findings_counted(shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many there are of each severity that occurs."""
    counts = Counter(finding["severity"] for finding in shown)
    return [
        {"severity": severity, "tone": tone, "text": words % {"count": counts[severity]}}
        for severity, (_name, tone, words) in SEVERITIES.items()
        if counts[severity]
    ]


def _shown(finding: dict[str, Any]) -> dict[str, Any]:
    severity = finding["severity"] if finding["severity"] in SEVERITIES else "info"
    name, tone, _words = SEVERITIES[severity]
    return {
        "severity": severity,
        "title": name,
        "tone": tone,
        "layer": LAYERS.get(finding["layer"], finding["layer"]),
        "file": finding.get("file", ""),
        "text": _text(finding),
    }


def _text(finding: dict[str, Any]) -> str:
    text, values = gettext(finding["message"]), finding.get("values")
    return text % values if values else text

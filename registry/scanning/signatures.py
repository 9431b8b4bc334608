"""What common files start with, and what to say to those who send them as a model."""

import re
from collections.abc import Iterator

from registry.refusals import N_, Refused

HEAD = 64 * 1024
"""How many first (and last) bytes of a file are looked at."""

GZIP = b"\x1f\x8b"
TAR, TAR_AT = b"ustar", 257
ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""What torch.save wrote before 1.6: its magic number, pickled."""

NOT_A_MODEL = N_(
    "This is a %(kind)s file, not a model. Send a PyTorch state_dict "
    "(torch.save(model.state_dict(), …)), a safetensors or an ONNX file."
)
OTHER_MODEL = N_(
    "This is a %(kind)s model, which cannot be served. Export it to ONNX and send that."
)
KERAS_MODEL = N_(
    "This is a %(kind)s model, which cannot be served as it is. Call model.export(folder) and send "
    "that folder as one .zip or .tar.gz archive, or export the model to ONNX."
)
PACKED = N_("This is a %(kind)s archive. Unpack it and send the model file in it.")
RAW_PICKLE = N_(
    "This is a plain Python pickle, which could run code. Save the weights with "
    "torch.save(model.state_dict(), …) instead."
)
ENDS_EARLY = N_("The file ends early: it was not copied completely. Send it again.")
WEB_PAGE = N_("This is a web page, not a model. Perhaps a download link led to a login page.")
LFS_POINTER = N_(
    "This is a Git LFS pointer, not the model itself. Run “git lfs pull” and send the real file."
)

_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", KERAS_MODEL, "Keras HDF5"),
    (0, b"GGUF", OTHER_MODEL, "GGUF"),
    (0, b"BZh", PACKED, "bzip2"),
    (0, b"\xfd7zXZ\x00", PACKED, "xz"),
    (0, b"\x28\xb5\x2f\xfd", PACKED, "Zstandard"),
    (0, b"7z\xbc\xaf\x27\x1c", PACKED, "7-Zip"),
    (0, b"Rar!\x1a\x07", PACKED, "RAR"),
    (0, b"%PDF-", NOT_A_MODEL, "PDF"),
    (0, b"\x89PNG\r\n\x1a\n", NOT_A_MODEL, "PNG"),
    (0, b"\xff\xd8\xff", NOT_A_MODEL, "JPEG"),
    (0, b"GIF8", NOT_A_MODEL, "GIF"),
    (8, b"WEBP", NOT_A_MODEL, "WebP"),
    (0, b"\x7fELF", NOT_A_MODEL, "ELF"),
    (0, b"\x93NUMPY", NOT_A_MODEL, "NumPy"),
    (0, b"SQLite format 3\x00", NOT_A_MODEL, "SQLite"),
)
_PICKLE = re.compile(
    rb"\x80[\x00-\x05]|[\x5d\x7d]q\x00|[\x5d\x7d(]*c[\w.]+\n[\w.]+\n|\(dp|\(lp|\(i[\w.]+\n"
)
_HTML = re.compile(r"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)", re.IGNORECASE | re.DOTALL)
OPENVINO = re.compile(r"\s*(<\?xml[^>]*\?>)?\s*(<!--.*?-->\s*)?<net[\s>]", re.DOTALL)
"""How OpenVINO's description of a network begins."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def refuse_known(head: bytes) -> None:
    """Raise Refused when the first bytes certainly belong to something else than a model."""
    for offset, magic, message, kind in _MAGIC:
        if head.startswith(magic, offset):
            raise Refused(message, kind=kind)
    if is_pickle(head) and not head.startswith(LEGACY):
        raise Refused(RAW_PICKLE)
    for refusal in _textual(head):
        raise refusal


def is_pickle(head: bytes) -> bool:
    """Whether the first bytes are those of a Python pickle, PyTorch's old files among them."""
    return _PICKLE.match(head) is not None


def _textual(head: bytes) -> Iterator[Refused]:
    text = _as_text(head)
    if text is None or OPENVINO.match(text):
        return
    if _HTML.match(text):
        yield Refused(WEB_PAGE)
    if text.startswith("version https://git-lfs.github.com/spec/"):
        yield Refused(LFS_POINTER)
    yield Refused(NOT_A_MODEL, kind="JSON" if text.lstrip()[:1] in ("{", "[") else "text")


def _as_text(head: bytes) -> str | None:
    """The bytes as text, if they are; the last character may have been cut by the window."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return None if _CONTROL.search(text) else text
    return None

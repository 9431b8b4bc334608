"""The layers that judge programs: archives of torch and of TensorFlow, with what hides in them."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from registry.refusals import Refused
from registry.scanning import identify, saved_models, scan
from tests.hostile import shell
from tests.inference.format_samples import as_tar, saved_model, saved_model_graph


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "linear.pt"
    torch.jit.script(torch.nn.Linear(4, 2)).save(path)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "linear.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(4, 2), (torch.ones(2, 4),)), path)
    return path


def altered(
    source: Path, path: Path, change: Callable[[str, bytes], bytes], more: Mapping[str, bytes] = {}
) -> Path:
    """The archive with each member changed, and more of them."""
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(path, "w") as made:
        for info in given.infolist():
            made.writestr(info.filename, change(info.filename, given.read(info)))
        for name, data in more.items():
            made.writestr(name, data)
    return path


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        scan(path, identify(path), siblings={})
    return caught.value


@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl"])
def test_every_pickle_of_torchscript_is_walked(script: Path, tmp_path: Path, member: str) -> None:
    evil = shell(tmp_path / "canary")
    path = altered(script, tmp_path / "m.pt", lambda n, d: evil if n.endswith(member) else d)
    refused = refusal(path)
    assert refused.layer == "pickle"
    assert "system" in str(refused)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["linear/extra/notes.txt", "linear/data/weights/config.bin"])
def test_a_pickle_under_another_name_is_found(exported: Path, tmp_path: Path, name: str) -> None:
    more = {name: shell(tmp_path / "canary")}
    path = altered(exported, tmp_path / "m.pt2", lambda n, d: d, more)
    assert refusal(path).layer == "pickle"


def test_a_pickle_in_an_archive_in_the_archive_is_found(exported: Path, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("archive/data.pkl", shell(tmp_path / "canary"))
    more = {"linear/extra/weights.bin": inner.getvalue()}
    assert refusal(altered(exported, tmp_path / "m.pt2", lambda n, d: d, more)).layer == "pickle"


def test_archives_within_archives_have_an_end(exported: Path, tmp_path: Path) -> None:
    data = b"x"
    for _ in range(4):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as made:
            made.writestr("a/b", data)
        data = packed.getvalue()
    path = altered(exported, tmp_path / "m.pt2", lambda n, d: d, {"linear/extra/x": data})
    assert "nested too deeply" in str(refusal(path))


def test_tensors_must_lie_within_their_bytes(exported: Path, script: Path, tmp_path: Path) -> None:
    grown = altered(
        exported, tmp_path / "m.pt2", lambda n, d: d.replace(b'"as_int": 4', b'"as_int": 400000000')
    )
    assert refusal(grown).layer == "tensors"
    short = altered(script, tmp_path / "m.pt", lambda n, d: d[:8] if n.endswith("/data/0") else d)
    assert "are stored" in str(refusal(short))


def test_code_that_reaches_outside_is_told(script: Path, tmp_path: Path) -> None:
    path = altered(
        script,
        tmp_path / "m.pt",
        lambda n, d: d + b"\n# torch.from_file" if n.endswith(".py") else d,
    )
    report = scan(path, "torchscript", siblings={})
    assert [(f.layer, f.severity) for f in report.findings][-1] == ("code", "warning")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_saved_model_may_come_as_tar(tmp_path: Path, suffix: str) -> None:
    path = as_tar(saved_model(tmp_path), tmp_path / f"m{suffix}")
    assert identify(path) == "saved_model"
    assert scan(path, "saved_model", siblings={}).findings
    saved_models.unpack(path, tmp_path / "folder")
    assert (tmp_path / "folder" / "saved_model.pb").is_file()


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    graph = saved_model_graph()
    whole = tarfile.TarInfo("m/saved_model.pb")
    with tarfile.open(path, "w:gz") as made:
        for info, data in ((whole, graph), *members):
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (member("../escape"), "forbidden path"),
        (member("/etc/escape"), "forbidden path"),
        (member("m/link", tarfile.SYMTYPE, "/etc"), "neither a file"),
        (member("m/link", tarfile.LNKTYPE, "/etc/passwd"), "neither a file"),
        (member("m/pipe", tarfile.FIFOTYPE), "neither a file"),
        (member("m/device", tarfile.CHRTYPE), "neither a file"),
        (member("M/Saved_Model.pb"), "twice"),
    ],
)
def test_a_tar_that_must_not_be_unpacked_is_refused(
    tmp_path: Path, info: tarfile.TarInfo, reason: str
) -> None:
    refused = refusal(tar_of(tmp_path / "m.tar.gz", (info, b"")))
    assert reason in str(refused)
    assert refused.layer == "archive"


def test_a_tar_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "m.tar.gz", (member("m/zeros"), bytes(300 << 20)))
    assert "zip bomb" in str(refusal(path))


def test_a_tar_cut_short_is_refused(tmp_path: Path) -> None:
    path = as_tar(saved_model(tmp_path), tmp_path / "m.tar.gz")
    path.write_bytes(path.read_bytes()[:-40])
    assert "damaged" in str(refusal(path))

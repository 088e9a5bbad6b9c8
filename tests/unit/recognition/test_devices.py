"""Devices: chosen only where a network really runs, said where not, and no answer depends on how batches are filled."""

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsrfer import Recognizer, VideoRecognizer
from fsrfer.cli.main import main
from fsrfer.errors import DeviceError, ModelError
from fsrfer.recognition.devices import DEVICES, NAMES, Device, why_missing
from fsrfer.recognition.legibility import LegibilityModel
from fsrfer.recognition.model import ExpressionModel, batches
from fsrfer.recognition.runtime import OneRunAtATime, choose_device, import_onnxruntime, open_session, working_devices
from support.toy_model import TOY_INFO, stripes, toy_bytes

ELSEWHERE = [name for name, device in DEVICES.items() if not device.system or device.system != sys.platform]


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_onnxruntime_lists_but_that_does_not_work_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # As CUDA without its libraries, which becomes the CPU without a word.
    class Falling(import_onnxruntime().InferenceSession):
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(import_onnxruntime(), "get_available_providers", lambda: listed)
    monkeypatch.setattr(import_onnxruntime(), "InferenceSession", Falling)
    assert choose_device("auto") == "cpu"
    assert working_devices() == ["cpu"]
    with pytest.raises(DeviceError, match="cannot be used on this machine; it needs an NVIDIA GPU"):
        choose_device("cuda")
    with pytest.raises(ModelError, match="--device cpu"):
        open_session(toy_bytes(), "toy", 1, "cuda")


@pytest.mark.parametrize("name", [name for name in ELSEWHERE if name not in ("cpu", "auto")])
def test_a_device_that_is_not_there_is_said_in_one_line(
    name: str, toy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if DEVICES[name].provider in import_onnxruntime().get_available_providers():
        pytest.skip("it is there")
    with pytest.raises(DeviceError):
        Recognizer(toy, device=name)
    (tmp_path / "a.png").write_bytes(b"")
    assert main(["classify", str(tmp_path), "--model", str(toy), "--device", name]) == 2
    told = capfd.readouterr().err
    assert told.startswith(f"fsrfer: error: device {name}: ")
    assert told.count("\n") == 1


def test_what_to_remove_is_named_before_what_to_install() -> None:
    told = why_missing(DEVICES["openvino"], ["onnxruntime 1.32.0", "onnxruntime-gpu 1.31.1"])
    assert told == (
        "device openvino: onnxruntime 1.32.0 and onnxruntime-gpu 1.31.1 cannot use it; "
        "run: pip uninstall onnxruntime onnxruntime-gpu, then: pip install onnxruntime-openvino"
    )


def test_a_device_without_a_name_of_ours_is_refused() -> None:
    with pytest.raises(DeviceError, match="use one of cpu, cuda, openvino, coreml, directml, auto"):
        choose_device("gpu")


def test_all_that_works_is_taken_by_name() -> None:
    assert [choose_device(name) for name in working_devices()] == working_devices()
    assert choose_device("auto") in ("cpu", "cuda")
    assert set(working_devices()) <= set(NAMES)


@pytest.mark.parametrize("count", [1, 5, 9])
def test_answers_do_not_depend_on_how_a_batch_is_filled(count: int, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crops = np.stack([stripes(number % 7) for number in range(count)])
    model, legibility = ExpressionModel(toy, threads=1), LegibilityModel(threads=1)
    probabilities, legible = model.probabilities(crops), legibility.legible(crops)
    filled = replace(DEVICES["cpu"], batch=4, pads=True)
    monkeypatch.setitem(DEVICES, "cpu", filled)
    assert [(len(batch), faces) for batch, faces in batches(crops, filled)] == {
        1: [(1, 1)],
        5: [(4, 4), (1, 1)],
        9: [(4, 4), (4, 4), (1, 1)],
    }[count]
    np.testing.assert_allclose(model.probabilities(crops), probabilities, atol=1e-6)
    np.testing.assert_allclose(legibility.legible(crops), legible, atol=1e-6)


def test_a_batch_is_filled_up_to_few_sizes() -> None:
    cuda = DEVICES["cuda"]
    assert {cuda.padded(faces) for faces in range(1, cuda.batch + 1)} == {1, 2, 4, 8, 16, 32, 64, 128, 256}
    assert [DEVICES["cpu"].padded(faces) for faces in (1, 3, 64)] == [1, 3, 64]


def test_openvino_takes_the_threads_it_is_given() -> None:
    options = DEVICES["openvino"].provider_options(2)
    assert json.loads(options["load_config"])["CPU"]["INFERENCE_NUM_THREADS"] == "2"


def test_directml_runs_one_at_a_time(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEVICES, "directml", Device("directml", "CPUExecutionProvider"))
    session = open_session(toy.read_bytes(), "toy", 1, "directml")
    assert isinstance(session, OneRunAtATime)
    side = TOY_INFO.size
    assert session.run(["logits"], {"faces": np.zeros((1, 1, side, side), np.float32)})[0].shape == (1, 7)


def test_results_tell_where_they_were_computed(toy: Path) -> None:
    recognizer = pickle.loads(pickle.dumps(Recognizer(toy, "fast", 1, device="auto")))
    result = recognizer.predict(np.zeros((64, 64, 3), np.uint8))
    assert result.device == result.to_dict()["device"] == recognizer.device == choose_device("auto")
    assert VideoRecognizer(toy, "fast", 1, device="auto").faces.device == recognizer.device

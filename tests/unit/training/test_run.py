import json

import pytest

from fsrfer.errors import RecipeError, TrainingError
from fsrfer.training.build import named_network
from fsrfer.training.loop import MetricsLog
from fsrfer.training.run import (
    ORIGIN_FILE,
    RECIPE_FILE,
    WEIGHTS_FILE,
    begin_or_resume,
    check_batches,
    check_run,
    load_weights,
    record_origin,
)
from support.tiny_recipes import tiny_classifier
from support.training_parts import process

RECIPE = tiny_classifier()
ORIGIN = {"data": {"rafdb train": "1f", "rafdb valid": "2e"}, "start": "scratch", "teachers": {}}


def test_a_run_is_begun_once_and_resumed_with_the_same_recipe(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match="there is no run to resume; leave out --resume"):
        check_run(folder, RECIPE, resume=True)
    assert not folder.exists()
    check_run(folder, RECIPE, resume=False)
    assert not folder.exists()  # a mistyped path of data must leave no run behind
    begin_or_resume(folder, RECIPE)
    check_run(folder, RECIPE, resume=True)
    with pytest.raises(TrainingError, match="holds a run already; add --resume"):
        check_run(folder, RECIPE, resume=False)
    with pytest.raises(RecipeError, match="begun with other settings"):
        check_run(folder, tiny_classifier("networks.second.label_share=0.4"), resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"rafdb train": "99", "rafdb valid": "2e"}}, "begun with data rafdb train 1f, not 99; give the same"),
        ({"data": {**ORIGIN["data"], "ferplus train": "3d"}}, "begun with data ferplus train none, not 3d"),
        ({"data": {"rafdb train": "1f"}}, "begun with data rafdb valid 2e, not none"),
        ({"start": "mine.onnx"}, "begun with start scratch, not mine.onnx"),
        ({"teachers": {"default": "trained first"}}, "begun with teachers default none, not trained first"),
    ],
)
def test_a_run_is_resumed_from_what_it_was_begun_with(tmp_path, change, message):
    record_origin(tmp_path, ORIGIN)
    record_origin(tmp_path, ORIGIN)
    with pytest.raises(RecipeError, match=message):
        record_origin(tmp_path, {**ORIGIN, **change})
    assert json.loads((tmp_path / ORIGIN_FILE).read_text("utf-8")) == ORIGIN


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe half", b"[1, 2]", b'{"half": '])
def test_damaged_files_of_a_run_are_told_in_one_line(tmp_path, damage):
    for name, read, before in [
        (ORIGIN_FILE, lambda path: record_origin(path.parent, ORIGIN), b""),
        (WEIGHTS_FILE, lambda path: load_weights(named_network(RECIPE, "first"), path), b""),
        ("metrics-classifier.csv", MetricsLog, b"step,name,value\n1"),
        (RECIPE_FILE, lambda path: check_run(path.parent, RECIPE, resume=True), b""),
    ]:
        (tmp_path / name).write_bytes(before + damage)
        with pytest.raises((TrainingError, RecipeError), match=name) as refusal:
            read(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_batches_divide_among_the_processes():
    loops = [settings.loop for settings in RECIPE.networks.values()]
    check_batches(process(0, processes=7), loops)
    with pytest.raises(RecipeError, match="batch_size 14 does not divide among 3 processes"):
        check_batches(process(0, processes=3), loops)

"""Answers that benchmarks keep: of the very faces they are of, and what they are worth."""

import numpy as np
import pytest
from PIL import Image

from answers import Faces, certain_of, digest_of, figures, require_names
from fsrfer.errors import InputError
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.recognition.model import Answers, ExpressionModel
from support.made_faces import pattern


def data_set(root, seed, count=3):
    rng = np.random.default_rng(seed)
    folder = root / "val" / "happy"
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(pattern(number, 24, rng)).save(folder / f"{number}.png")
    return f"folder={root}"


def test_answers_are_those_of_the_same_faces_and_are_read_again(tmp_path):
    kept, model = tmp_path / "kept", ExpressionModel("fast")
    one, other = (
        Faces.read(data_set(tmp_path / name, seed), "val", kept) for seed, name in enumerate(("one", "other"))
    )
    first, second = one.answers(model, 2), other.answers(model, 2)
    assert not np.allclose(first.probabilities, second.probabilities)
    assert len(list(kept.iterdir())) == 2
    again = Faces.read(f"folder={tmp_path / 'one'}", "val", kept).answers(model, 2)
    assert np.array_equal(again.probabilities, first.probabilities)
    assert len(list(kept.iterdir())) == 2


def test_faces_that_were_changed_have_other_answers(tmp_path):
    word = data_set(tmp_path / "faces", 0)
    before = Faces.read(word, "val", None)
    digest = digest_of(before.dataset)
    Image.new("L", (24, 24), 9).save(before.dataset.samples[0].path)
    assert digest_of(Faces.read(word, "val", None).dataset) != digest


def test_two_parts_of_one_name_are_refused(tmp_path):
    parts = [Faces.read(data_set(tmp_path / name, 0), "val", None) for name in ("one", "other")]
    require_names(parts[:1])
    with pytest.raises(InputError, match="folder val is named twice"):
        require_names(parts)


def test_figures_are_percents_and_without_certain_answers_nothing_is_said_of_them():
    labels = np.array([3, 3, 0, 1])
    sure = np.eye(len(EXPRESSIONS))[[3, 2, 0, 1]]
    found = figures(sure, labels, np.array([True, True, False, False]))
    assert (found["accuracy"], found["certain"], found["right_when_certain"]) == (75.0, 50.0, 50.0)
    assert "right_when_certain" not in figures(sure, labels, np.zeros(4, bool))


def test_faces_below_the_size_of_certain_answers_are_not_certain():
    info = ModelInfo("made", "1", EXPRESSIONS, 48, "grey", 0.0, flip=False, certain_from=0.9, certain_px=10.0)
    sure = np.eye(len(EXPRESSIONS))[[0, 0]]
    assert list(certain_of(Answers(sure, np.array([9.9, 10.0])), sure, info)) == [False, True]
    assert list(certain_of(Answers(sure, None), sure, info)) == [True, True]

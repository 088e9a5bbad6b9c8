import csv
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from fsrfer.comparison.measure import Faces, Method, measure
from fsrfer.comparison.outside import export_faces, pictures_digest, read_answers, with_pictures
from fsrfer.comparison.store import Store
from fsrfer.errors import DataError
from fsrfer.images import shrink_and_restore
from fsrfer.labels import EXPRESSIONS


@dataclass(frozen=True)
class Album:
    """Faces in memory that count how often they are looked at."""

    pictures: tuple
    labels: np.ndarray
    name: str = "album"
    split: str = "valid"

    def load(self, index):
        return self.pictures[index]


def album(count=12, seed=0, **changes):
    rng = np.random.default_rng(seed)
    pictures = tuple(rng.integers(0, 256, (16 + 2 * i, 20, 3), np.uint8) for i in range(count))
    return replace(Album(pictures, rng.integers(0, 7, count)), **changes)


def by_brightness(faces):
    """Depends on each face alone, and on its pixels."""
    logits = np.stack([np.cos(np.arange(7) * face.mean() + face[0, 0, 0]) for face in faces])
    powers = np.exp(logits)
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def method(name="bright", predict=by_brightness, **changes):
    return Method(name, name.title(), predict, **changes)


def test_a_data_set_becomes_faces_with_a_fingerprint():
    faces = Faces.of(album())
    assert (faces.subject.data, faces.subject.split, faces.subject.faces) == ("album", "valid", 12)
    assert faces.subject.height == 27  # the median of 16, 18, ... 38
    assert faces.subject.fingerprint == Faces.of(album()).subject.fingerprint
    brighter = album()
    brighter.pictures[3][0, 0, 0] ^= 1
    relabelled = album(labels=(album().labels + 1) % 7)
    prints = {Faces.of(other).subject.fingerprint for other in (album(), brighter, relabelled, album(seed=1))}
    assert len(prints) == 4


def test_stored_probabilities_are_those_of_the_degraded_faces(tmp_path):
    faces = Faces.of(album())
    measure([method(gflop=0.5)], faces, [1, 2.5], 3, tmp_path)
    runs = Store.load(tmp_path).runs()["bright"]
    assert (runs.title, runs.gflop) == ("Bright", 0.5)
    assert runs.milliseconds > 0
    assert list(runs.probabilities) == [1.0, 2.5]
    degraded = [shrink_and_restore(faces.load(i), 2.5) for i in range(12)]
    np.testing.assert_array_equal(runs.probabilities[2.5][3], by_brightness(degraded))
    assert (tmp_path / "predictions" / "bright" / "seed-3" / "x2.5.npy").is_file()


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path):
    faces = Faces.of(album())
    measure([method()], faces, [1, 2, 4], 0, tmp_path / "whole")
    calls = []

    def dies_at_the_third(batch):
        calls.append(len(batch))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return by_brightness(batch)

    with pytest.raises(KeyboardInterrupt):
        measure([method(predict=dies_at_the_third)], faces, [1, 2, 4], 0, tmp_path / "cut")
    assert not list((tmp_path / "cut").rglob(".partial-*"))
    measure([method(predict=dies_at_the_third)], faces, [1, 2, 4], 0, tmp_path / "cut")
    assert len(calls) == 4  # what was finished is not measured again
    whole, cut = (Store.load(tmp_path / name).runs()["bright"].probabilities for name in ("whole", "cut"))
    for factor in (1, 2, 4):
        np.testing.assert_array_equal(whole[factor][0], cut[factor][0])


@pytest.mark.parametrize("damage", ["truncate", "swap", "no header"])
def test_half_written_or_changed_files_are_measured_again(tmp_path, damage):
    faces = Faces.of(album())
    measure([method()], faces, [1, 2], 0, tmp_path)
    folder = tmp_path / "predictions" / "bright" / "seed-0"
    right = (folder / "x2.npy").read_bytes()
    if damage == "truncate":
        (folder / "x2.npy").write_bytes(right[:100])
    elif damage == "swap":
        (folder / "x2.npy").write_bytes((folder / "x1.npy").read_bytes())
    else:
        (folder / "x2.npy.json").unlink()
    assert list(Store.load(tmp_path).runs()["bright"].probabilities) == [1.0]
    measure([method()], faces, [1, 2], 0, tmp_path)
    assert (folder / "x2.npy").read_bytes() == right


def test_other_weights_are_measured_again_and_never_mixed(tmp_path):
    faces = Faces.of(album())
    old, new = method(identity="old"), method(identity="new", predict=lambda batch: by_brightness(batch)[:, ::-1])
    measure([old], faces, [1, 2], 0, tmp_path)
    measure([new], faces, [1], 0, tmp_path)
    with pytest.raises(DataError, match="bright, seed 0, was measured at some factors with other weights"):
        Store.load(tmp_path).runs()
    measure([new], faces, [1, 2], 0, tmp_path)
    found = Store.load(tmp_path).runs()["bright"].probabilities
    np.testing.assert_array_equal(found[1][0], by_brightness([faces.load(i) for i in range(12)])[:, ::-1])


def test_figures_of_other_faces_are_refused_in_one_line(tmp_path):
    measure([method()], Faces.of(album()), [1], 0, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for other in (album(split="test"), album(seed=1), album(name="other"), album(labels=np.zeros(12, np.int64))):
        with pytest.raises(DataError, match=r"holds figures of album valid \(12 faces, .*take another folder") as error:
            measure([method()], Faces.of(other), [1], 0, tmp_path)
        assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_probabilities_carried_over_from_other_faces_are_refused(tmp_path):
    measure([method()], Faces.of(album()), [1], 0, tmp_path / "a")
    measure([method()], Faces.of(album(seed=1)), [1], 0, tmp_path / "b")
    (tmp_path / "b" / "predictions" / "bright").rename(tmp_path / "a" / "predictions" / "other")
    with pytest.raises(DataError, match="belongs to other faces"):
        Store.load(tmp_path / "a").runs()


def test_the_order_of_faces_only_reorders_the_answers(tmp_path):
    straight = album()
    order = np.random.default_rng(5).permutation(12)
    shuffled = replace(straight, pictures=tuple(straight.pictures[i] for i in order), labels=straight.labels[order])
    answers = []
    for number, faces in enumerate((straight, shuffled)):
        measure([method()], Faces.of(faces), [3], 0, tmp_path / str(number))
        answers.append(Store.load(tmp_path / str(number)).runs()["bright"].probabilities[3][0])
    np.testing.assert_allclose(answers[0][order], answers[1])


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda faces: np.ones((len(faces), 7)), "do not sum to 1"),
        (lambda faces: np.full((len(faces), 7), np.nan), "not a number"),
        (lambda faces: np.full((len(faces), 8), 1 / 8), r"\(12, 8\) probabilities for 12 faces"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(tmp_path, predict, message):
    with pytest.raises(DataError, match=f"method wrong: .*{message}"):
        measure([method("wrong", predict)], Faces.of(album()), [1], 0, tmp_path)


def test_names_are_safe_and_single(tmp_path):
    with pytest.raises(DataError, match="a name has letters"):
        method("../escape")
    with pytest.raises(DataError, match="one name"):
        measure([method(), method()], Faces.of(album()), [1], 0, tmp_path)
    with pytest.raises(DataError, match="no benchmark was measured here"):
        Store.load(tmp_path)


@pytest.fixture
def exported(tmp_path):
    faces = Faces.of(album(5))
    export_faces(faces, [1, 4], tmp_path / "out")
    return faces, tmp_path / "out"


def outside_model(exported, answers, names=("surprised", "Fear", "disgust", "happy", "sad", "anger", "neutral")):
    """Reads pictures, writes a table, knows nothing of ours."""
    rows = []
    for picture in sorted(exported.rglob("*.png")):
        values = by_brightness([np.asarray(Image.open(picture))])[0]
        rows.append([str(picture.relative_to(exported)), *(100 * values), 3.0])
    with answers.open("w", newline="") as lines:
        csv.writer(lines).writerows([["file", *names, "contempt"], *reversed(rows)])


def test_an_outside_model_answers_a_folder_and_is_measured_like_ours(exported, tmp_path):
    faces, folder = exported
    outside_model(folder, tmp_path / "answers.csv")
    outside = method("outside", read_answers(tmp_path / "answers.csv", folder), timed=False)
    measure([method("ours"), outside], faces, [1, 4], 0, tmp_path / "results")
    runs = Store.load(tmp_path / "results").runs()
    for factor in (1, 4):
        np.testing.assert_allclose(
            runs["outside"].probabilities[factor][0], runs["ours"].probabilities[factor][0], atol=1e-6
        )
    assert runs["outside"].milliseconds is None
    with pytest.raises(DataError, match="a face of the benchmark is not in it"):
        measure([outside], faces, [3], 0, tmp_path / "results")


def test_exported_faces_do_not_tell_their_labels(exported):
    _, folder = exported
    table = (folder / "faces.csv").read_text()
    assert table.startswith("file,factor,width,height,sha256\nx1/000000.png,1,20,16,")
    assert not any(name in table for name in EXPRESSIONS)


def test_faces_without_an_answer_count_as_a_guess_but_must_be_listed(exported, tmp_path):
    faces, folder = exported
    answers = tmp_path / "answers.csv"
    outside_model(folder, answers)
    lines = answers.read_text().splitlines()
    answers.write_text(
        "\n".join([lines[0], "x1/000000.png,,,,,,,,", *(li for li in lines[1:] if "x1/000000" not in li)])
    )
    np.testing.assert_allclose(read_answers(answers, folder)([faces.load(0)]), np.full((1, 7), 1 / 7), rtol=1e-6)
    answers.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"1 of 10 pictures have no row, such as x1/000000\.png"):
        read_answers(answers, folder)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("surprise", "fear", "disgust", "happy", "sad", "anger", "bored"), "column 'neutral' is missing"),
        (("surprise", "fear", "disgust", "happy", "joy", "anger", "neutral"), "column 'sadness' is missing"),
    ],
)
def test_tables_of_answers_need_seven_expressions(exported, tmp_path, names, message):
    outside_model(exported[1], tmp_path / "answers.csv", names)
    with pytest.raises(DataError, match=message):
        read_answers(tmp_path / "answers.csv", exported[1])


def test_pictures_of_an_outside_super_resolution_reach_the_classifier(exported, tmp_path):
    faces, folder = exported
    seen = []

    def remember(batch):
        seen.extend(face.shape for face in batch)
        return by_brightness(batch)

    with pytest.raises(DataError, match="10 of 10 pictures are missing, such as x1/000000"):
        with_pictures(remember, tmp_path / "larger", folder)
    for picture in folder.rglob("*.png"):
        target = tmp_path / "larger" / picture.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(picture).resize((80, 80)).save(target)
    measure([method("sr", with_pictures(remember, tmp_path / "larger", folder))], faces, [4], 0, tmp_path / "results")
    assert seen == [(80, 80, 3)] * 5
    before = pictures_digest(tmp_path / "larger", folder)
    assert pictures_digest(tmp_path / "larger" / ".." / "larger", folder) == before
    Image.new("L", (80, 80)).save(target)
    assert pictures_digest(tmp_path / "larger", folder) != before


def test_the_record_is_plain_json(tmp_path):
    measure([method()], Faces.of(album()), [1], 0, tmp_path)
    assert json.loads((tmp_path / "data.json").read_text())["split"] == "valid"
    header = json.loads((tmp_path / "predictions" / "bright" / "seed-0" / "x1.npy.json").read_text())
    assert (header["method"], header["seed"], header["factor"]) == ("bright", 0, 1.0)

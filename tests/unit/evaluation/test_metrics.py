import numpy as np
import pytest

from fsrfer.evaluation.by_factor import by_camera, probabilities_at
from fsrfer.evaluation.metrics import calibration_error, calibration_error_by_chance, score, wilson_interval
from fsrfer.images import shrink_and_restore


def one_hot(answers, classes=7):
    return np.eye(classes)[answers]


def test_scores_worked_out_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    scores = score(labels, one_hot([0, 0, 1, 1, 0, 2]))
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.confusion[:3, :3].tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    # F1: class 0 2*2/(3+3), class 1 2*1/(2+2), class 2 1; classes 3..6 do not occur
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert scores.recall[:3] == pytest.approx([2 / 3, 1 / 2, 1])
    assert np.isnan(scores.recall[3])
    assert scores.to_dict()["recall"]["happiness"] is None


def test_a_class_answered_but_never_true_lowers_the_others_only():
    scores = score(np.array([0, 0]), one_hot([0, 3]))
    assert scores.macro_f1 == pytest.approx(2 / 3)


def test_wilson_is_known_and_stays_in_range():
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
    # bins of 1/15: 0.9 -> right once of two, gap |1 - 1.8|; 0.7 right, gap 0.3; 0.6 wrong, gap 0.6
    assert calibration_error(np.array([0, 1, 0, 1]), probabilities) == pytest.approx((0.8 + 0.3 + 0.6) / 4)


def test_score_refuses_nothing_and_mismatches():
    with pytest.raises(ValueError, match="need N labels"):
        score(np.zeros(0, np.int64), np.zeros((0, 7)))
    with pytest.raises(ValueError, match="need N labels"):
        score(np.zeros(3, np.int64), np.zeros((2, 7)))


def test_a_poor_camera_makes_the_same_picture_of_the_same_face_and_another_of_each():
    face = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)

    def measured(count, batch):
        seen = []

        def predict(faces):
            seen.extend(faces)
            return np.zeros((len(faces), 7), np.float32)

        probabilities_at(predict, lambda _: face, count, 2.0, batch=batch, degrade=by_camera)
        return seen

    pictures = measured(7, batch=7)
    for found, again in zip(pictures, measured(7, batch=3), strict=True):
        np.testing.assert_array_equal(found, again)
    assert len({picture.tobytes() for picture in pictures}) == 7
    assert pictures[0].shape == face.shape


def test_faces_are_shrunk_one_by_one_and_in_order():
    rng = np.random.default_rng(0)
    faces = [rng.integers(0, 256, (size, size), np.uint8) for size in (20, 30, 40, 50, 60)]
    seen = []

    def predict(batch):
        seen.extend(batch)
        return np.full((len(batch), 7), 1 / 7, np.float32)

    probabilities = probabilities_at(predict, faces.__getitem__, 5, 3.0, batch=2)
    assert probabilities.shape == (5, 7)
    for face, degraded in zip(faces, seen, strict=True):
        np.testing.assert_array_equal(degraded, shrink_and_restore(face, 3.0))


def test_even_honest_probabilities_have_a_calibration_error_that_falls_with_the_number_of_faces():
    fair = np.full((400, 2), 0.5)
    # One bin: the error is |k/400 - 1/2| of k heads, 0.4/20 in the mean and below 1.96 * 0.5/20 in 95 of 100 draws.
    mean, most = calibration_error_by_chance(fair, draws=4000)
    assert mean == pytest.approx(np.sqrt(2 / np.pi) * 0.5 / 20, rel=0.05)
    assert most == pytest.approx(1.96 * 0.5 / 20, rel=0.06)
    assert calibration_error_by_chance(fair[:100], draws=4000)[0] == pytest.approx(2 * mean, rel=0.08)
    assert calibration_error_by_chance(fair) == calibration_error_by_chance(fair)

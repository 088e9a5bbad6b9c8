import io
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer import Recognizer
from fsrfer.errors import InputError
from fsrfer.labels import EXPRESSIONS
from fsrfer.recognition.boxes import user_boxes
from fsrfer.recognition.model import Answers, ExpressionModel
from fsrfer.recognition.sources import Picture
from fsrfer.types import Detections, UInt8Image
from support.toy_model import stripes, write_toy


@pytest.fixture
def recognizer(toy: Path) -> Recognizer:
    return Recognizer(toy, "fast", threads=1)


def face(winner: int, size: int = 56) -> UInt8Image:
    return np.repeat(stripes(winner, size)[:, :, None], 3, axis=2)


def test_your_own_boxes_are_recognised_in_their_order(tmp_path: Path) -> None:
    recognizer = Recognizer(write_toy(tmp_path / "toy.onnx", margin=0.0), threads=1)
    photo = np.hstack([face(winner) for winner in (3, 0, 6)])
    result = recognizer.predict(photo, boxes=[[112, 0, 168, 56], [0, 0, 56, 56], [56, 0, 112, 56]])
    assert [each.expression for each in result.faces] == ["neutral", "happiness", "surprise"]
    assert [each.box for each in result.faces] == [(112, 0, 168, 56), (0, 0, 56, 56), (56, 0, 112, 56)]
    assert all(each.landmarks is None and each.detection_score == 1 and each.certain for each in result.faces)
    assert (result.width, result.height, result.error) == (168, 56, None)
    assert result.group.shares["neutral"] == result.group.shares["surprise"] == pytest.approx(1 / 3, abs=1e-6)


def test_the_margin_of_the_model_frames_the_faces(tmp_path: Path) -> None:
    # With a margin of a half on each side the frame is twice the box: the strips around it come into view.
    wide = Recognizer(write_toy(tmp_path / "wide.onnx", margin=0.5), threads=1)
    result = wide.predict(face(0, 112), boxes=[[28, 28, 84, 84]])
    assert result.faces[0].expression == EXPRESSIONS[0]


def test_no_boxes_and_no_detections_are_no_faces(recognizer: Recognizer) -> None:
    for result in (recognizer.predict(face(0), boxes=[]), recognizer.predict(face(0))):
        assert result.faces == ()
        assert result.group.faces == 0
        assert set(result.group.shares.values()) == {0}


@pytest.mark.parametrize("box", [(60, 0, 90, 30), (-9, -9, 0, 5), (5, 5, 5, 9), (0, 0, float("nan"), 4), (9, 9, 2, 2)])
def test_a_box_outside_the_picture_is_named(box: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"^me\.png: box 1"):
        user_boxes([(0, 0, 9, 9), box], height=50, width=60, name="me.png")


@pytest.mark.parametrize("boxes", [[1, 2, 3, 4], [[1, 2, 3]], [["a", 0, 1, 1]], [[[0, 0, 1, 1]]]])
def test_what_is_no_list_of_boxes_is_refused(boxes: object) -> None:
    with pytest.raises(InputError, match="four numbers"):
        user_boxes(boxes, 50, 60, "me.png")  # type: ignore[arg-type]


def test_a_box_partly_outside_is_cut() -> None:
    assert user_boxes([(-5, 10, 30, 99)], 50, 60, "me.png").boxes.tolist() == [[0, 10, 30, 50]]


def test_too_small_faces_are_listed_but_not_counted(toy: Path) -> None:
    recognizer = Recognizer(toy, threads=1, min_face=10)
    result = recognizer.predict(face(3), boxes=[[0, 0, 9, 9], [0, 0, 56, 56]])
    small, large = result.faces
    assert (small.too_small, small.certain) == (True, False)
    assert (large.too_small, large.certain) == (False, True)
    assert (result.group.faces, result.group.too_small, result.group.uncertain) == (2, 1, 1)
    assert result.group.shares["happiness"] == 1


def grey(level: int, size: int = 60) -> UInt8Image:
    return np.full((size, size, 3), level, np.uint8)


@pytest.fixture
def estimating(tmp_path: Path) -> Recognizer:
    """A recogniser to which an even grey of 80 is a face of 80 / 5 = 16 px."""
    return Recognizer(write_toy(tmp_path / "toy.onnx", effective="N x 1"), "fast", threads=1)


def test_a_face_has_no_more_detail_than_its_height(estimating: Recognizer) -> None:
    result = estimating.predict(grey(80), boxes=[[0, 0, 60, 60], [0, 0, 10, 10]])
    assert [face.size_px for face in result.faces] == [60, 10]
    assert [face.effective_px for face in result.faces] == pytest.approx([16, 10])


def test_the_smallest_face_asked_for_is_one_of_the_box_not_of_the_detail(estimating: Recognizer) -> None:
    (only,) = estimating.predict(grey(16), boxes=[[0, 0, 60, 60]]).faces
    assert only.effective_px == pytest.approx(3.2)
    assert not only.too_small


def test_a_crop_has_no_more_detail_than_its_height(estimating: Recognizer) -> None:
    answers = estimating.classify([grey(80), grey(80, 10), grey(255, 200)])
    assert [answer.effective_px for answer in answers] == pytest.approx([16, 10, 28])
    assert [answer.size_px for answer in answers] == [60, 10, 200]


def test_a_model_that_does_not_estimate_detail_says_nothing_of_it(recognizer: Recognizer) -> None:
    assert recognizer.predict(grey(80), boxes=[[0, 0, 60, 60]]).faces[0].effective_px is None
    assert recognizer.classify([grey(80)])[0].effective_px is None


def test_a_group_is_corrected_by_the_detail_of_its_faces(estimating: Recognizer) -> None:
    tally = estimating.predict(grey(80), boxes=[[0, 0, 60, 60], [0, 0, 10, 10]]).tally()
    assert tally.rows()[1] == pytest.approx([16, 10])


def test_certain_is_the_models_own_threshold(tmp_path: Path) -> None:
    for threshold, certain in ((0.999, False), (0.9, True)):
        model = write_toy(tmp_path / f"{threshold}.onnx", certain_from=threshold)
        assert Recognizer(model, threads=1).classify([face(2)])[0].certain is certain


def test_paths_images_and_arrays_in_either_channel_order_agree(recognizer: Recognizer, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    photo = np.repeat(np.repeat(colours, 4, axis=0), 4, axis=1)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    boxes = [[10, 10, 60, 70]]
    expected = recognizer.predict(photo, boxes).faces
    assert recognizer.predict(tmp_path / "photo.png", boxes).faces == expected
    assert recognizer.predict(str(tmp_path / "photo.png"), boxes).faces == expected
    assert recognizer.predict(Image.fromarray(photo), boxes).faces == expected
    assert recognizer.predict(photo[:, :, ::-1], boxes, channel_order="bgr").faces == expected
    assert recognizer.predict(photo[:, :, ::-1], boxes).faces != expected


def test_a_grey_array_is_a_picture(recognizer: Recognizer) -> None:
    assert (
        recognizer.predict(face(4), [[0, 0, 56, 56]]).faces
        == recognizer.predict(face(4)[..., 0], [[0, 0, 56, 56]]).faces
    )


def test_a_crop_goes_to_the_network_whole_and_never_through_the_detector(
    toy: Path,
) -> None:
    class NeverAsked:
        def detect(self, image: UInt8Image) -> Detections:
            pytest.fail("the detector was asked")

    recognizer = Recognizer(toy, NeverAsked())
    crops = [face(winner, size) for winner, size in ((0, 28), (6, 140), (3, 14))]
    answers = recognizer.classify(crops)
    assert [answer.expression for answer in answers] == [EXPRESSIONS[0], EXPRESSIONS[6], EXPRESSIONS[3]]
    assert [answer.size_px for answer in answers] == [28, 140, 14]
    assert recognizer.classify([]) == []


def test_a_crop_that_cannot_be_read_says_which(recognizer: Recognizer) -> None:
    with pytest.raises(InputError, match="crop 1"):
        recognizer.classify([face(0), np.zeros((2, 2), np.float32)])  # type: ignore[list-item]


class Counting(ExpressionModel):
    """A model that remembers how many crops it was given at once."""

    batches: list[int]

    def answers(self, crops: UInt8Image) -> Answers:
        self.batches.append(len(crops))
        return super().answers(crops)


def test_crops_are_recognised_in_batches_in_order_with_failures_between(toy: Path) -> None:
    model = Counting(toy, threads=1)
    model.batches = []
    recognizer = Recognizer(model)
    pictures = [Picture(str(index), face(index % 7), None) for index in range(150)]
    pictures[3] = Picture("3", None, "3: no such file")
    results = list(recognizer.classify_pictures(iter(pictures)))
    assert [result.file for result in results] == [str(index) for index in range(150)]
    assert results[3].error == "3: no such file"
    assert results[3].expression is None
    wrong = [
        result.file
        for index, result in enumerate(results)
        if result.expression and result.expression.expression != EXPRESSIONS[index % 7]
    ]
    assert wrong == []
    assert len(model.batches) == 3


def test_a_failed_picture_is_a_result_with_an_error(recognizer: Recognizer) -> None:
    unread = recognizer.predict_picture(Picture("a.png", None, "a.png: no such file"))
    assert (unread.error, unread.width, unread.faces) == ("a.png: no such file", None, ())
    outside = recognizer.predict_picture(Picture("b.png", face(0)), boxes=[[90, 90, 99, 99]])
    assert outside.error is not None
    assert "outside" in outside.error
    assert (outside.width, outside.height) == (56, 56)


def test_a_result_can_be_drawn_whatever_it_came_from(recognizer: Recognizer, tmp_path: Path) -> None:
    Image.fromarray(face(1)).save(tmp_path / "photo.png")
    for source in (tmp_path / "photo.png", face(1), Image.fromarray(face(1))):
        drawn = recognizer.predict(source, [[10, 20, 40, 50]]).annotated()
        assert drawn.mode == "RGB"
        assert not np.array_equal(np.asarray(drawn.resize((56, 56))), face(1))


def test_a_photo_without_a_face_file_left_cannot_be_drawn(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(face(1)).save(path)
    result = recognizer.predict(path, [])
    path.unlink()
    with pytest.raises(InputError):
        result.annotated()


def test_one_picture_is_no_list_of_crops(recognizer: Recognizer) -> None:
    for picture in (face(0), "a.png", Path("a.png"), Image.fromarray(face(0)), b"bytes"):
        with pytest.raises(InputError, match=r"write classify\(\[crop\]\)"):
            recognizer.classify(picture)  # type: ignore[arg-type]


def test_bytes_and_open_files_are_pictures(recognizer: Recognizer, tmp_path: Path) -> None:
    path, boxes = tmp_path / "photo.png", [[0, 0, 56, 56]]
    Image.fromarray(face(2)).save(path)
    expected = recognizer.predict(path, boxes).faces
    assert recognizer.predict(path.read_bytes(), boxes).faces == expected
    with path.open("rb") as stream:
        assert recognizer.predict(stream, boxes).faces == expected


def test_results_can_be_sent_to_another_process_and_compared(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(face(2)).save(path)
    for source in (path, face(2), Image.fromarray(face(2))):
        result = recognizer.predict(source, [[0, 0, 56, 56]])
        copy = pickle.loads(pickle.dumps(result))
        assert copy == result
        assert np.array_equal(np.asarray(copy.annotated()), np.asarray(result.annotated()))


def test_a_recogniser_can_be_sent_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recognizer = Recognizer(write_toy(Path("toy.onnx")), "fast", threads=1)
    recognizer.predict(face(0))  # the detector is loaded
    sent = pickle.dumps(recognizer)
    monkeypatch.chdir("/")  # another folder, where a relative path would lead nowhere
    copy = pickle.loads(sent)
    assert copy.predict(face(2), [[0, 0, 56, 56]]) == recognizer.predict(face(2), [[0, 0, 56, 56]])
    assert copy.predict(face(0)).faces == ()


def test_a_folder_over_two_processes(toy: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{winner}.png" for winner in range(4)]
    for winner, path in enumerate(paths):
        Image.fromarray(face(winner)).save(path)
    recognizer = Recognizer(toy, "fast", threads=1)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(recognizer.predict, paths)) == [recognizer.predict(path) for path in paths]


def test_a_result_keeps_its_own_pixels_or_none(recognizer: Recognizer) -> None:
    frame = face(1)
    kept, left = (recognizer.predict(frame, [[10, 20, 40, 50]], keep_picture=keep) for keep in (True, False))
    before = np.asarray(kept.annotated())
    frame[:] = 0  # the caller uses the buffer again
    assert np.array_equal(np.asarray(kept.annotated()), before)
    with pytest.raises(InputError, match="no picture to draw on"):
        left.annotated()


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.zeros((4, 4, 3), np.float32), "astype('uint8')"),
        (np.zeros((3, 40, 50), np.uint8), "x.transpose(1, 2, 0)"),
        (np.zeros((40, 50, 4), np.uint8), "x[..., :3]"),
        (np.zeros((1, 40, 50, 3), np.uint8), "x[0]"),
        (np.full((4, 4, 3), 200.0), "x.clip(0, 255)"),
        (np.zeros((40, 50), bool), "* 255"),
        (np.zeros((40, 50, 1), np.uint8), "x[..., 0]"),
        (np.zeros((0, 4, 3), np.uint8), "it is empty"),
        (np.zeros((4, 4, 3), object), "objects of shape"),
        ([[1, 2], [3, 4]], "np.asarray(x, 'uint8')"),
        (None, "NoneType is no picture"),
        (io.StringIO("x"), "open(path, 'rb')"),
        (io.BytesIO(), "nothing is left to read"),
    ],
)
def test_arrays_of_another_kind_are_told_what_to_do(recognizer: Recognizer, array: np.ndarray, advice: str) -> None:
    with pytest.raises(InputError, match=re.escape(advice)):
        recognizer.predict(array)


@pytest.mark.parametrize(
    ("failure", "words"), [(MemoryError(), "not enough memory"), (TypeError("x"), "a fault of fsrfer itself")]
)
def test_whatever_fails_in_one_photo_is_that_photos_error(toy: Path, failure: Exception, words: str) -> None:
    class Failing:
        def detect(self, image: UInt8Image) -> Detections:
            raise failure

    result = Recognizer(toy, Failing()).predict_picture(Picture("a.png", face(0)))
    assert result.error is not None
    assert result.error.startswith("a.png: ")
    assert words in result.error


def test_a_blurred_drawing_shows_no_face(recognizer: Recognizer) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (56, 56, 3), np.uint8)
    result = recognizer.predict(noise, [[10, 10, 46, 46]])
    plain, blurred = (np.asarray(result.annotated(blur))[14:42, 14:42].astype(int) for blur in (False, True))
    assert np.array_equal(plain, noise[14:42, 14:42])
    assert len(np.unique(blurred.reshape(-1, 3), axis=0)) <= 16

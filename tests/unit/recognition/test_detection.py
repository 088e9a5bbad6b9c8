from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fsrfer.errors import ModelError
from fsrfer.images import load_rgb, resize
from fsrfer.recognition import detection
from fsrfer.recognition.detection import Detector, clip, places_of_small_faces, spread, suppress
from fsrfer.types import Detections, UInt8Image


@pytest.fixture(scope="module")
def fast() -> Detector:
    return Detector("fast", threads=1)


@pytest.fixture(scope="module")
def default() -> Detector:
    return Detector("default", threads=1)


def shrunk(path: Path, factor: float) -> UInt8Image:
    rgb = load_rgb(path)
    return resize(rgb, (round(rgb.shape[1] / factor), round(rgb.shape[0] / factor)))


def heights(found: Detections) -> np.ndarray:
    return found.boxes[:, 3] - found.boxes[:, 1]


def boxes(*rows: tuple[float, ...]) -> Detections:
    corners = np.array([row[:4] for row in rows], np.float32)
    return Detections(corners, np.array([row[4] for row in rows], np.float32), np.zeros((len(rows), 5, 2), np.float32))


@pytest.mark.parametrize(
    ("name", "faces", "people"),
    [("group-5.jpg", 7, 8), ("stock-group-1.jpg", 15, 17), ("solvay1927.jpg", 29, 31), ("no_face.jpg", 0, 0)],
)
def test_everyone_in_a_group_is_found_and_hardly_anything_else(
    photos: Path, fast: Detector, name: str, faces: int, people: int
) -> None:
    found = fast.detect(load_rgb(photos / name))
    assert faces <= len(found) <= people
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize(
    ("name", "faces", "thing"), [("solvay1927.jpg", 29, (729, 288)), ("group-5.jpg", 7, (1283, 1417))]
)
def test_a_tie_and_a_hat_are_no_faces(
    photos: Path, default: Detector, name: str, faces: int, thing: tuple[int, int]
) -> None:
    found = default.detect(load_rgb(photos / name))
    assert len(found) == faces
    assert np.abs(found.boxes[:, :2] - thing).max(axis=1).min() > 20


def test_landmarks_lie_about_their_boxes_eyes_above_the_mouth(photos: Path, fast: Detector) -> None:
    found = fast.detect(load_rgb(photos / "stock-group-1.jpg"))
    assert found.landmarks is not None
    for box, points in zip(found.boxes, found.landmarks, strict=True):
        slack = 0.1 * (box[2:] - box[:2])  # a nose in profile may stand out
        assert (points > box[:2] - slack).all()
        assert (points < box[2:] + slack).all()
        assert points[:2, 1].max() < points[3:, 1].min()
        assert points[0, 0] < points[1, 0]  # the subject's right eye is on the left of the picture


def test_faces_of_ten_pixels_need_an_enlarged_pass(photos: Path, fast: Detector, default: Detector) -> None:
    crowd = shrunk(photos / "solvay1927.jpg", 7.5)
    assert len(fast.detect(crowd)) < 20
    found = default.detect(crowd)
    assert 27 <= len(found) <= 31
    assert 7 < np.median(heights(found)) < 12


def test_tiny_finds_faces_of_eight_pixels(photos: Path) -> None:
    found = Detector("tiny", threads=1).detect(shrunk(photos / "solvay1927.jpg", 9))
    assert 26 <= len(found) <= 32
    assert np.median(heights(found)) < 9


def test_a_face_is_found_wherever_it_stands(photos: Path, fast: Detector) -> None:
    # Wider than a tile, so that some places are on the seams.
    head = shrunk(photos / "stock-group-1.jpg", 2)[260:420, 160:340]
    backdrop = np.full((900, 1500, 3), head.reshape(-1, 3).mean(axis=0), np.uint8)
    for x, y in ((0, 0), (520, 100), (600, 460), (555, 500), (1320, 740)):
        picture = backdrop.copy()
        picture[y : y + head.shape[0], x : x + head.shape[1]] = head
        assert len(fast.detect(picture)) >= 1, (x, y)


@pytest.mark.parametrize(("preset", "height"), [("fast", 1800), ("fast", 600), ("default", 250), ("tiny", 120)])
def test_one_large_face_is_one_face_however_large(photos: Path, fast: Detector, preset: str, height: int) -> None:
    rgb = load_rgb(photos / "image_with_alpha.png")
    x1, y1, x2, y2 = fast.detect(resize(rgb, (762, 518))).boxes[0] * 2
    pad = 0.45 * (y2 - y1)
    head = rgb[max(0, int(y1 - pad)) : int(y2 + pad), max(0, int(x1 - pad)) : int(x2 + pad)]
    picture = resize(head, (round(height * head.shape[1] / head.shape[0]), height))
    assert len(Detector(preset, threads=1).detect(picture)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (3, 2), (40, 31), (64, 64), (641, 20), (1300, 9)])
@pytest.mark.parametrize("fill", [0, 255, "noise"])
def test_no_face_in_nothing_at_any_size(fast: Detector, shape: tuple[int, int], fill: object) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (*shape, 3), np.uint8) if fill == "noise" else np.full((*shape, 3), fill, np.uint8)
    assert len(fast.detect(picture)) == 0


def test_boxes_are_cut_to_the_picture_and_wild_ones_dropped() -> None:
    found = clip(
        boxes((-4, 5, 20, 25, 0.9), (np.inf, 0, np.inf, 5, 1.0), (200, 200, 220, 230, 0.8), (np.nan, 0, 4, 4, 0.9)),
        height=100,
        width=100,
    )
    assert found.boxes.tolist() == [[0, 5, 20, 25]]


def test_one_box_a_face() -> None:
    face, double, part, neighbour = (
        (10, 10, 30, 40, 0.9),
        (12, 11, 31, 41, 0.8),
        (14, 30, 22, 39, 0.7),
        (29, 10, 50, 40, 0.6),
    )
    assert suppress(boxes(part, face, neighbour, double)).scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(suppress(Detections.none())) == 0


@pytest.mark.parametrize(
    ("length", "window", "overlap"), [(1, 640, 160), (640, 640, 160), (641, 640, 160), (9999, 213, 54)]
)
def test_tiles_cover_everything_and_overlap_enough(length: int, window: int, overlap: int) -> None:
    tiles = spread(length, window, overlap)
    assert tiles[0][0] == 0
    assert tiles[-1][1] == length
    assert all(end - start <= window for start, end in tiles)
    assert all(before[1] - after[0] >= overlap for before, after in pairwise(tiles))


def test_no_look_sees_the_same_as_another(fast: Detector) -> None:
    assert fast.shrinks(480, 640) == [1]
    assert fast.shrinks(1280, 640) == [2, 1]
    # A face too large for the parts of one look must be large enough in the next.
    assert all(after / before <= 6 for before, after in pairwise(sorted(fast.shrinks(9000, 10000))))


def test_places_worth_a_closer_look() -> None:
    found = boxes(
        (100, 100, 110, 112, 0.3),  # may be a small face
        (300, 100, 310, 112, 0.9),  # small: an enlarged look finds its box better
        (500, 100, 530, 140, 0.9),  # found for certain
        (700, 100, 800, 220, 0.3),  # no enlarged look is for faces that large
    )
    places = places_of_small_faces(found, height=400, width=1000)
    assert [any(x1 <= x < x2 and y1 <= 106 < y2 for x1, y1, x2, y2 in places) for x in (105, 305, 515, 750)] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("name", "factor"), [("stock-group-1.jpg", 3), ("solvay1927.jpg", 6), ("group-1.jpg", 5)])
def test_looking_closer_at_likely_places_only_finds_what_looking_everywhere_does(
    photos: Path, default: Detector, monkeypatch: pytest.MonkeyPatch, name: str, factor: float
) -> None:
    picture = shrunk(photos / name, factor)
    found = default.detect(picture)
    monkeypatch.setattr(detection, "WORTH_A_LOOK", 0.0)
    monkeypatch.setattr(detection, "DONE", 2.0)
    everywhere = default.detect(picture)
    certain = everywhere.boxes[everywhere.scores > 0.8]
    centres = (certain[:, None, :2] + certain[:, None, 2:]) / 2
    is_found = ((centres > found.boxes[:, :2]) & (centres < found.boxes[:, 2:])).all(axis=2).any(axis=1)
    assert is_found.all()


def test_a_large_picture_goes_in_parts_that_find_the_same(photos: Path, fast: Detector) -> None:
    group = load_rgb(photos / "stock-group-1.jpg")
    backdrop = np.full((2300, 2700, 3), 90, np.uint8)
    backdrop[900 : 900 + group.shape[0], 1500 : 1500 + group.shape[1]] = group  # across the seams of the parts
    assert len(fast.detect(backdrop)) == pytest.approx(len(fast.detect(group)), abs=1)


def test_a_missing_detector_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="fast, default, tiny"):
        Detector(tmp_path / "none.onnx")


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, N x M."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (bottom_right - top_left).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


@pytest.mark.parametrize("factor", [1.0, 3.0, 7.5])
def test_faces_that_moved_are_found_again_by_a_look_near_them(photos: Path, default: Detector, factor: float) -> None:
    picture = shrunk(photos / "solvay1927.jpg", factor)
    faces = default.detect(picture)
    moved = faces.boxes + 0.3 * heights(faces)[:, None] * np.array([1, -1, 1, -1], np.float32)
    again = default.look(picture, moved)
    assert (overlaps(faces.boxes, again.boxes).max(axis=1) > 0.25).mean() >= 0.9
    assert len(again) <= len(faces)
    assert (np.diff(again.scores) <= 0).all()
    assert again.landmarks is not None
    assert (again.landmarks[:, :2, 1].max(axis=1) < again.landmarks[:, 3:, 1].min(axis=1)).all()


def test_a_look_finds_no_face_where_there_is_none_and_none_but_the_expected(photos: Path, default: Detector) -> None:
    picture = load_rgb(photos / "stock-group-1.jpg")
    faces = default.detect(picture)
    assert len(default.look(picture, np.zeros((0, 4), np.float32))) == 0
    assert len(default.look(picture, faces.boxes[:3])) == 3
    assert len(default.look(np.zeros_like(picture), faces.boxes)) == 0
    outside = np.array([[-90, -90, -50, -40], [9000, 20, 9040, 60], [5, 5, 5, 5]], np.float32)
    assert len(default.look(picture, outside)) == 0

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.recognition.regions import cover

HEIGHT, WIDTH = 500, 900

places = st.tuples(st.floats(0, WIDTH - 1), st.floats(0, HEIGHT - 1), st.floats(1, 60), st.floats(1, 60)).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], WIDTH), min(box[1] + box[3], HEIGHT))
)


@given(st.lists(places, max_size=12), st.floats(0, 40))
def test_every_box_lies_with_its_margin_in_a_rectangle_and_no_pixel_in_two(
    boxes: list[tuple[float, float, float, float]], margin: float
) -> None:
    rectangles = cover(np.array(boxes, np.float32).reshape(-1, 4), margin, HEIGHT, WIDTH)
    for x1, y1, x2, y2 in np.array(boxes, np.float32).reshape(-1, 4).tolist():
        wanted = max(x1 - margin, 0), max(y1 - margin, 0), min(x2 + margin, WIDTH), min(y2 + margin, HEIGHT)
        assert any(
            left <= wanted[0] + 1e-3
            and top <= wanted[1] + 1e-3
            and right >= wanted[2] - 1e-3
            and bottom >= wanted[3] - 1e-3
            for left, top, right, bottom in rectangles
        )
    for first, second in combinations(rectangles, 2):
        assert min(first[2], second[2]) <= max(first[0], second[0]) or min(first[3], second[3]) <= max(
            first[1], second[1]
        )
    assert all(0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT for left, top, right, bottom in rectangles)


def test_nothing_is_covered_by_nothing_and_what_is_far_apart_by_two() -> None:
    assert cover(np.zeros((0, 4), np.float32), 10, HEIGHT, WIDTH) == []
    far = np.array([[10, 10, 20, 20], [800, 400, 810, 410]], np.float32)
    assert len(cover(far, 10, HEIGHT, WIDTH)) == 2
    near = np.array([[10, 10, 20, 20], [60, 10, 70, 20]], np.float32)
    assert len(cover(near, 10, HEIGHT, WIDTH)) == 1

"""Faces as columns say what they say one by one."""

import numpy as np
import pytest

from fsrfer.errors import DataError
from fsrfer.group.estimate import Tally, estimate, estimate_columns
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.types import Face

INFO = ModelInfo(
    "m", "1", EXPRESSIONS, 48, "grey", 0.0,
    confusion={"48": (np.eye(7) * 30 + 2).tolist(), "12": (np.eye(7) * 15 + 4).tolist()},
)  # fmt: skip


def faces(count, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(7, 0.5), count)
    return [
        Face(
            (0.0, 0.0, 10.0, height), 0.9, ((0.0, 0.0),) * 5, height, EXPRESSIONS[int(row.argmax())], float(row.max()),
            dict(zip(EXPRESSIONS, row.tolist(), strict=True)), bool(row.max() > 0.8), bool(height < 8), effective,
        )
        for row, height, effective in zip(
            probabilities, rng.uniform(5, 60, count).tolist(), [*rng.uniform(4, 48, count - 1).tolist(), None], strict=True
        )
    ]  # fmt: skip


def columns_of(group):
    columns = {name: np.array([face.probabilities[name] for face in group]) for name in EXPRESSIONS}
    effective = np.array([np.nan if face.effective_px is None else face.effective_px for face in group])
    return columns | {
        "size_px": np.array([face.size_px for face in group]),
        "effective_px": np.ma.masked_invalid(effective),
        "certain": np.array([face.certain for face in group]),
        "too_small": np.array([face.too_small for face in group]),
        "photo": np.arange(len(group)),
    }


def test_a_group_of_columns_is_the_group_of_its_faces():
    group = faces(300)
    assert estimate_columns(columns_of(group), INFO) == estimate(Tally.of(group), INFO)
    assert estimate_columns(columns_of(group), INFO, people=40) == estimate(Tally.of(group), INFO, 40)


def test_many_faces_are_joined_and_say_the_same():
    group = faces(5000)
    one, many = estimate(Tally.of(group), INFO), estimate_columns(columns_of(group), INFO)
    assert (many.faces, many.counted, many.uncertain) == (one.faces, one.counted, one.uncertain)
    for name in EXPRESSIONS:
        assert many.shares[name].value == pytest.approx(one.shares[name].value, abs=0.01)


def test_a_row_may_stand_for_several_alike():
    group = faces(30)
    thrice = estimate(Tally.of([face for face in group for _ in range(3)]), INFO)
    joined = estimate_columns(columns_of(group), INFO, counts=np.full(30, 3))
    assert (joined.faces, joined.counted, joined.too_small) == (90, thrice.counted, thrice.too_small)
    for name in EXPRESSIONS:
        assert joined.shares[name].value == pytest.approx(thrice.shares[name].value, abs=0.02)


def test_no_faces_are_a_group_of_none():
    assert estimate_columns({name: column[:0] for name, column in columns_of(faces(3)).items()}, INFO).shares == {}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"fear": None}, "fear is missing"),
        ({"fear": np.full(9, np.nan)}, "a probability is no number"),
        ({"size_px": np.ones(3)}, "not of one length"),
        ({"certain": np.array(["yes"] * 9)}, "certain holds something else"),
    ],
)
def test_what_is_no_table_of_faces_is_told(change, complaint):
    columns = {name: column for name, column in (columns_of(faces(9)) | change).items() if column is not None}
    with pytest.raises(DataError, match=complaint):
        estimate_columns(columns, INFO)

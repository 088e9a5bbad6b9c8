import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fsrfer.errors import InputError
from fsrfer.group.counting import count_group
from fsrfer.labels import EXPRESSIONS
from fsrfer.output.exchange import PY_FEAT_COLUMNS
from fsrfer.output.rows import FACE_COLUMNS
from fsrfer.photo.results import PhotoResult
from fsrfer.types import Face
from support.toy_model import TOY_INFO


def face(index: int, left: float) -> Face:
    values = [0.7 if number == index else 0.05 for number in range(7)]
    probabilities = dict(zip(EXPRESSIONS, values, strict=True))
    return Face((left, 10, left + 20, 34), 0.9, None, 24.0, EXPRESSIONS[index], 0.7, probabilities, True)


@pytest.fixture
def result() -> PhotoResult:
    faces = (face(3, 5), face(5, 40))
    picture = np.full((60, 80, 3), 90, np.uint8)
    return PhotoResult("a <b>.jpg", 80, 60, faces, count_group(faces), picture=picture, info=TOY_INFO)


NOBODY = PhotoResult("none.jpg", 80, 60, (), count_group(()), info=TOY_INFO)


def test_supervision_takes_the_faces(result: PhotoResult) -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed (its extra)")
    found = result.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [[5, 10, 25, 34], [40, 10, 60, 34]]
    assert found.class_id.tolist() == [3, 5]
    assert found["class_name"].tolist() == ["happiness", "anger"]
    assert all(np.shape(column) == (2,) for column in found.data.values())
    assert found["happiness"].tolist() == pytest.approx([0.7, 0.05])
    assert len(found[found["certain"]]) == 2
    assert len(NOBODY.to_supervision()) == 0


def test_supervision_takes_effective_heights_where_there_are_any(result: PhotoResult) -> None:
    pytest.importorskip("supervision", reason="supervision is not installed (its extra)")
    first, second = result.faces
    column = replace(result, faces=(replace(first, effective_px=9.5), second)).to_supervision()["effective_px"]
    assert column.dtype == np.float32
    assert column[0] == 9.5
    assert np.isnan(column[1])


def test_data_frames_by_two_sets_of_names(result: PhotoResult) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (the extra 'dataframe')")
    assert tuple(result.to_dataframe().columns) == FACE_COLUMNS
    frame = result.to_dataframe(names="py-feat")
    assert tuple(frame.columns) == PY_FEAT_COLUMNS
    assert frame.loc[1, ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight"]].tolist() == [40, 10, 20, 24]
    assert frame["anger"].tolist() == [0.05, 0.7]
    assert frame["input"].tolist() == ["a <b>.jpg"] * 2
    assert len(NOBODY.to_dataframe(names="py-feat")) == 0
    with pytest.raises(InputError, match="py-feat"):
        result.to_dataframe(names="other")  # type: ignore[arg-type]


def test_notebooks_show_the_picture_and_a_table(result: PhotoResult) -> None:
    html = result._repr_html_()
    assert "a &lt;b&gt;.jpg" in html
    assert html.count("<tr>") == 3
    assert "data:image/png;base64," in html
    png = result._repr_png_()
    assert png is not None
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_notebooks_without_a_picture() -> None:
    failed = PhotoResult.failed("x.jpg", "x.jpg: no such file")
    assert failed._repr_png_() is None
    assert "no such file" in failed._repr_html_()
    assert "no faces found" in NOBODY._repr_html_()


def test_a_photo_is_estimated_as_a_group(result: PhotoResult) -> None:
    group = result.estimate()
    assert group.counted == 2
    assert group.shares["happiness"].value > 0.3
    assert (group.shares["happiness"].low, group.shares["happiness"].high) == (None, None)  # of two faces
    assert result.to_dict()["estimate"]["shares"]["anger"]["value"] == pytest.approx(
        group.shares["anger"].value, abs=1e-5
    )
    assert PhotoResult.failed("x.jpg", "no").to_dict()["estimate"] is None
    with pytest.raises(InputError):
        PhotoResult.failed("x.jpg", "no").estimate()

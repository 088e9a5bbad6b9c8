from pathlib import Path

from PIL import Image

from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.report import PhotosReport


def test_a_photo_that_is_gone_when_the_page_shows_it_costs_no_other(toy: Path, tmp_path: Path) -> None:
    recognizer, report = Recognizer(toy), PhotosReport(photos=2)
    paths = [tmp_path / name for name in ("kept.png", "gone.png")]
    for path in paths:
        Image.new("RGB", (120, 80), "grey").save(path)
        result = recognizer.predict(path, boxes=[(10, 10, 50, 50)])
        if path.name == "gone.png":
            path.unlink()
        report.add(result)
    page = report.page("two", recognizer)
    assert page.viewer is not None
    assert [scene.picture is None for scene in page.viewer.scenes] == [False, True]
    assert any("could not be read again" in remark for remark in page.viewer.remarks)

from pathlib import Path

import pytest

from fsrfer.errors import RecipeError
from fsrfer.training.run import ORIGIN_FILE, begin


def test_a_run_that_is_resumed_from_another_start_is_refused(tmp_path: Path):
    begin(tmp_path, "scratch")
    begin(tmp_path, "scratch")
    with pytest.raises(RecipeError, match=r"begun from scratch, not model\.onnx"):
        begin(tmp_path, "model.onnx")
    assert (tmp_path / ORIGIN_FILE).read_text("utf-8") == "scratch\n"

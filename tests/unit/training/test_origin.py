from pathlib import Path

import pytest

from fsrfer.errors import RecipeError
from fsrfer.training.run import ORIGIN_FILE, _require_same_origin


def test_a_run_that_is_resumed_from_another_start_is_refused(tmp_path: Path):
    kept = tmp_path / ORIGIN_FILE
    _require_same_origin(kept, "scratch")
    _require_same_origin(kept, "scratch")
    with pytest.raises(RecipeError, match=r"begun from scratch, not model\.onnx"):
        _require_same_origin(kept, "model.onnx")
    assert kept.read_text("utf-8") == "scratch\n"

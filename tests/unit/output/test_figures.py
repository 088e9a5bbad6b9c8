"""Plots become small, and stay what they were."""

import io

import numpy as np
import pytest
from PIL import Image

from fsrfer.output.figures import EXACT, TOLERANCE, few_colours, new_figure, save_figure


def errors(small, rgb):
    return np.abs(np.asarray(small.convert("RGB")).astype(int) - rgb).max(2)


def test_frequent_colours_stay_exact_and_the_others_within_the_tolerance():
    rng = np.random.default_rng(0)
    often = np.stack([np.full(EXACT, 250), np.arange(EXACT), np.full(EXACT, 250)], 1)
    shades = np.stack([np.full(2000, 120), np.full(2000, 90), rng.integers(0, 256, 2000)], 1)
    rgb = np.concatenate([np.repeat(often, 50, 0), shades]).astype(np.uint8).reshape(84, 100, 3)
    small = few_colours(rgb)
    wrong = errors(small, rgb).reshape(-1)
    assert small.mode == "P"
    assert wrong[: EXACT * 50].max() == 0
    assert 0 < wrong.max() <= TOLERANCE


def test_a_picture_that_needs_more_colours_keeps_them_all():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert few_colours(rgb).mode == "RGB"
    assert errors(few_colours(rgb), rgb).max() == 0


def test_a_saved_figure_looks_as_drawn_and_is_smaller(tmp_path):
    pytest.importorskip("matplotlib")
    figure = new_figure(4, 2)
    axes = figure.subplots()
    for index, colour in enumerate(("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")):
        axes.fill_between([0, 1], index, index + 0.6, color=colour, alpha=0.1, linewidth=0)
        axes.plot([0, 1], [index, index + 1], color=colour, label=f"line {index}")
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi="figure")
    with Image.open(drawn) as picture:
        rgb = np.asarray(picture.convert("RGB"))
    save_figure(figure, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as saved:
        assert saved.size == (440, 220)
        assert not saved.info.get("Software")
        assert errors(saved, rgb).max() <= TOLERANCE
        assert errors(saved, rgb).mean() < 1
    assert (tmp_path / "plot.png").stat().st_size < 0.5 * len(drawn.getvalue())

import datetime
import json
import re

import numpy as np
import pytest

from fsrfer.comparison import plots
from fsrfer.comparison.report import sentence, write_report
from fsrfer.comparison.statistics import Difference
from fsrfer.comparison.store import Header, Store, Subject
from fsrfer.comparison.summary import Comparison, Summary, summarise
from fsrfer.errors import DataError
from fsrfer.evaluation.metrics import score
from fsrfer.labels import EXPRESSIONS

SUBJECT = Subject("toy", "valid", 300, "f" * 64, 48.0)
OPEN = "A and B cannot be told apart at x4: +2.1 points"
LABELS = np.random.default_rng(0).integers(0, 7, 300)


def answers(skill, seed):
    """Right for a share ``skill`` of the faces, sure of it more often than not."""
    rng = np.random.default_rng(seed)
    guesses = np.where(rng.random(300) < skill, LABELS, (LABELS + 1) % 7)
    confidence = rng.uniform(0.3, 0.9, 300)
    probabilities = np.repeat((1 - confidence)[:, None] / 6, 7, axis=1)
    probabilities[np.arange(300), guesses] = confidence
    return probabilities.astype(np.float32)


def keep(store, method, seed, factor, probabilities, gflop=0.2, milliseconds=1.5):
    title = "Out|side" if method == "outside" else method.title()
    header = Header(method, title, "", gflop, seed, factor, SUBJECT.fingerprint, milliseconds)
    store.save(header, probabilities)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    store = Store.open(folder, SUBJECT, LABELS)
    for factor in (1.0, 4.0):
        keep(store, "plain", 0, factor, answers(0.6 - factor / 20, 1))
        keep(store, "twin", 0, factor, answers(0.6 - factor / 20, 1))
        for seed in (0, 1, 2):
            keep(store, "strong", seed, factor, answers(0.95 - factor / 40, 10 + seed))
    keep(store, "outside", 0, 4.0, answers(0.2, 5), gflop=None, milliseconds=None)
    return folder


@pytest.fixture(scope="module")
def target(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("report")
    write_report(
        folder,
        target,
        "plain",
        "fsrfer benchmark --toy",
        "A toy",
        shown_factors=(4,),
        pictures=[("Features", "features.png")],
        date=datetime.date(2026, 1, 2),
        draws=200,
    )
    return target


def test_the_report_states_where_its_figures_come_from(target):
    text = (target / "report.md").read_text()
    for fact in (
        "toy, split valid: 300",
        "f" * 64,
        "`fsrfer benchmark --toy`",
        "2026-01-02",
        "48 px",
        "numpy",
        "1 or 3",
    ):
        assert fact in text
    assert "conclusions.md" not in text
    assert not re.search(r"\bnan\b|None", text)


def test_its_figures_are_those_of_score(target):
    values = json.loads((target / "report.json").read_text())
    expected = score(LABELS, answers(0.4, 1))
    cell = values["methods"]["plain"]["factors"]["x4"]
    assert cell["accuracy"]["mean"] == pytest.approx(expected.accuracy)
    assert cell["accuracy"]["interval"] == pytest.approx(list(expected.interval))
    assert cell["macro_f1"]["mean"] == pytest.approx(expected.macro_f1)
    assert cell["confusion"] == expected.confusion.tolist()
    assert cell["height_px"] == 12
    assert cell["recall"]["fear"]["mean"] == pytest.approx(expected.recall[EXPRESSIONS.index("fear")])
    strong = values["methods"]["strong"]["factors"]["x4"]
    runs = [score(LABELS, answers(0.85, 10 + seed)) for seed in range(3)]
    assert strong["accuracy"]["mean"] == pytest.approx(np.mean([run.accuracy for run in runs]))
    assert strong["accuracy"]["seeds"] == 3
    assert strong["confusion"] == sum(run.confusion for run in runs).tolist()
    assert values["methods"]["outside"]["gflop"] is None


def test_tables_have_a_row_a_method_and_dashes_where_nothing_was_measured(target):
    text = (target / "report.md").read_text()
    table = text.split("## Accuracy by factor")[1].split("##")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| method", "| ---", "| Strong", "| Plain", "| Twin", "| Out\\|side"]
    assert rows[-1][1] == "-"
    assert {len(row) for row in rows} == {3}


def test_differences_are_told_in_sentences_that_follow_from_numbers(target):
    text = (target / "report.md").read_text()
    assert re.search(
        r"- Strong is above Plain by \d+\.\d points at x4 \(95% interval \+\S+ to \+\S+, adjusted p < 0\.001\)\.", text
    )
    assert (
        "- Twin and Plain cannot be told apart at x1: +0.0 points (95% interval +0.0 to +0.0, adjusted p = 1.000)."
        in text
    )
    assert re.search(r"- Out\|side is below Plain by \d+\.\d points at x4", text)
    assert not re.search(r"Outside .* at x1", text)


@pytest.mark.parametrize(
    ("mean", "interval", "p", "expected"),
    [
        (
            0.021,
            (0.008, 0.034),
            0.004,
            "A is above B by 2.1 points at x4 (95% interval +0.8 to +3.4, adjusted p = 0.004).",
        ),
        (
            -0.021,
            (-0.034, -0.008),
            0.0001,
            "A is below B by 2.1 points at x4 (95% interval -3.4 to -0.8, adjusted p < 0.001).",
        ),
        (0.021, (0.008, 0.034), 0.06, f"{OPEN} (95% interval +0.8 to +3.4, adjusted p = 0.060)."),
        (0.021, (-0.001, 0.04), 0.04, f"{OPEN} (95% interval -0.1 to +4.0, adjusted p = 0.040)."),
    ],
)
def test_sentences(mean, interval, p, expected):
    class Titles(Summary):
        def title(self, name):
            return name.upper()

    summary = Titles(SUBJECT, {}, "b", (), ())
    assert sentence(summary, Comparison("a", 4.0, Difference(mean, interval, 0.01, "mcnemar"), p)) == expected


def test_every_picture_named_is_there(target):
    text = (target / "report.md").read_text()
    named = re.findall(r"!\[[^\]]+\]\((\S+)\)", text)
    drawn = ["accuracy.png", "height.png", "cost-x4.png", "selective-x4.png", "confusion-x4.png"]
    assert named == [*drawn, "features.png"]
    for name in drawn:
        assert (target / name).read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in target.iterdir()} == {*drawn, "report.md", "report.json"}


def test_hand_written_conclusions_are_linked_and_left_alone(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "draw_all", lambda *_: [])
    (tmp_path / "conclusions.md").write_text("by hand")
    for _ in range(2):
        write_report(folder, tmp_path, "plain", "x", draws=20, date=datetime.date(2026, 1, 2))
        assert "[conclusions](conclusions.md)" in (tmp_path / "report.md").read_text()
        assert (tmp_path / "conclusions.md").read_text() == "by hand"


def test_the_same_store_gives_the_same_report(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "draw_all", lambda *_: [])
    for name in ("one", "two"):
        write_report(folder, tmp_path / name, "plain", "x", draws=50, date=datetime.date(2026, 1, 2))
    for name in ("report.md", "report.json"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_methods_may_be_chosen_and_must_be_there(folder):
    store = Store.load(folder)
    chosen = summarise(store, "plain", ["twin", "plain"], draws=20)
    assert [rival.name for rival in chosen.rivals] == ["twin", "plain"]
    with pytest.raises(DataError, match=r"missing was not measured here; measured: outside, plain, strong, twin"):
        summarise(store, "missing")


def test_projection_keeps_the_two_widest_directions():
    rng = np.random.default_rng(0)
    wide = rng.normal(0, 1, (500, 2)) * [10, 4]
    basis = np.concatenate([np.zeros((500, 1)), wide[:, :1], wide[:, 1:], rng.normal(0, 0.1, (500, 3))], axis=1)
    shift = np.array([0, 3, 0, 0, 0, 0])
    places, moved = plots.project(basis, basis.reshape(500, 2, 3), basis + shift)
    np.testing.assert_allclose(places, wide - wide.mean(0), atol=1.0)
    np.testing.assert_allclose(moved - places, np.tile([3.0, 0.0], (500, 1)), atol=0.1)


def test_features_of_other_faces_are_refused():
    with pytest.raises(ValueError, match="the same faces"):
        plots.draw_features(np.zeros((5, 4)), np.zeros((5, 4)), np.zeros((4, 4)), np.zeros(5, np.int64))


def test_names_at_line_ends_never_overlap():
    spaced = plots._spaced([70.0, 71.0, 70.5, 30.0], 2.0, 90.0)
    assert spaced == pytest.approx([67.0, 71.0, 69.0, 30.0])

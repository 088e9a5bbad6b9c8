"""Agreement of voters worked out by hand, the estimate on votes of known chances, and the command on made faces."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

import voters
from fsrfer.data import ferplus as ferplus_reader
from fsrfer.labels import FERPLUS_COLUMNS
from voters import NOTHING, fitted_prior, judge, majority, others, recall, taken_out, with_a_voter


def votes(**counts):
    """One face's counts by the names of the columns."""
    return [counts.get(name, 0) for name in FERPLUS_COLUMNS]


def test_equals_go_to_the_first_column_and_what_is_no_expression_to_nobody():
    rows = np.array([votes(sadness=4, happiness=4, unknown=2), votes(fear=3, contempt=7), votes(unknown=10)])
    happiness, fear, nobody = majority(rows)
    assert voters._NAMES[happiness] == "happiness"
    assert voters._NAMES[fear] == "fear"
    assert nobody == NOTHING


def test_nine_voters_are_compared_with_the_tenth():
    rows = np.array([votes(happiness=6, neutral=4), votes(happiness=5, neutral=5), votes(unknown=10)])
    # The first face: six of ten times the tenth is of the majority. The second: whoever is kept back, the rest chose the other.
    found = with_a_voter(rows, 9)
    assert found[0] == pytest.approx(0.6, abs=0.1)
    assert list(found[1:]) == [0.0, 0.0]


def test_one_voter_is_compared_with_another():
    # Of ten who are of two minds, 9 to 1, two differ in 2 * 9 of 10 * 9 ordered pairs.
    assert with_a_voter(np.array([votes(anger=9, fear=1)] * 50), 1).mean() == pytest.approx(0.8, abs=0.02)


def test_voters_are_taken_out_once():
    rows = np.array([votes(happiness=6, neutral=4), votes(fear=9, disgust=1)])
    taken = taken_out(rows, 4, np.random.default_rng(0))
    assert (taken <= rows).all()
    assert list(taken.sum(1)) == [4, 4]
    assert (taken_out(rows, 10, np.random.default_rng(0)) == rows).all()


def test_a_model_is_judged_by_all_ten():
    rows = np.array([votes(happiness=6, neutral=4), votes(fear=10)])
    happiness, anger = majority(np.array([votes(happiness=1), votes(anger=1)]))
    found = judge(np.array([happiness, anger]), rows, np.array([0.5, 1.0]))
    assert found.agreement == pytest.approx((0.6 + 0.0) / 2)
    assert found.against.mean == pytest.approx((0.1 - 1.0) / 2)
    assert found.recall == {"happiness": 1.0, "fear": 0.0}


def test_voters_who_are_all_of_one_mind_agree_and_are_repeatable():
    rows = np.array([votes(happiness=10), votes(anger=10)] * 20)
    assert with_a_voter(rows, 3).min() == 1.0
    assert others(rows) == others(rows)
    assert others(rows).ten > 0.95


def test_others_are_estimated_as_they_are_where_the_chances_are_known():
    rng = np.random.default_rng(1)
    prior = np.array([0.5, 0.4, 0.3, 0.2, 0.2, 0.05, 0.05, 0.01, 0.05, 0.01])
    chances = rng.dirichlet(prior, 3000)
    ten, again = rng.multinomial(10, chances), rng.multinomial(10, chances)
    assert fitted_prior(ten)[:5] == pytest.approx(prior[:5], rel=0.15)
    found = others(ten)
    assert found.ten == pytest.approx(voters.same(majority(ten), majority(again)), abs=0.02)
    assert found.ten < found.many
    assert found.five_estimated == pytest.approx(found.five_counted, abs=0.02)


def test_recall_is_of_each_expression_that_is_there():
    label = majority(np.array([votes(fear=9), votes(fear=8), votes(anger=7)]))
    answers = majority(np.array([votes(fear=1), votes(anger=1), votes(anger=1)]))
    assert recall(answers, label) == {"fear": 0.5, "anger": 1.0}


@pytest.fixture
def ferplus(tmp_path):
    """Twelve faces of FER+'s validation part: six happy ones, and six that three of ten voters would call neutral."""
    folder = tmp_path / "ferplus" / ferplus_reader.FOLDERS["valid"]
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(folder / f"{number}.png")
        counts = votes(happiness=10) if number < 6 else votes(sadness=7, neutral=3)
        rows.append(",".join(map(str, [f"{number}.png", '"(0, 0, 48, 48)"', *counts])))
    (folder / "label.csv").write_text("\n".join(rows) + "\n")
    return folder.parent


def test_the_command_counts_a_model_too(ferplus, tmp_path, monkeypatch, capsys):
    target = tmp_path / "voters.json"
    words = f"voters.py fast --data ferplus={ferplus} --factors 1,4 --json {target}"
    monkeypatch.setattr(sys, "argv", words.split())
    voters.main()
    found = json.loads(target.read_text())
    assert found["faces"] == 12
    # A happy face's voters agree with each other, seven of ten of a sad one's with most of the other nine.
    assert found["voters"]["9"] == pytest.approx((1 + 0.7) / 2, abs=0.01)
    assert 0 <= found["models"]["fast, x1"]["agreement"] <= (1 + 0.7) / 2
    assert set(found["models"]["fast, x4"]["recall"]) == set(found["others"]["recall"]) == {"happiness", "sadness"}
    assert "12 faces of ferplus valid" in capsys.readouterr().out


def test_labels_without_votes_are_refused(rafdb, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["voters.py", "--data", f"rafdb={rafdb}", "--split", "test"])
    with pytest.raises(SystemExit) as exit_of:
        voters.run(voters.main)
    assert exit_of.value.code == 2
    assert "ferplus=DIR" in capsys.readouterr().err

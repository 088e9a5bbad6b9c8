"""The study of feature super-resolution, at a tiny size: every arm, in sittings, to the page of claims."""

import json
import sys
from dataclasses import replace

import pytest
import torch

import fsr_study
from fsrfer.comparison.claims import CLAIMS, Found, contrasts, verdict
from fsrfer.comparison.statistics import Difference
from fsrfer.comparison.study import ARMS, StudyTrainer
from fsrfer.errors import DataError
from fsrfer.recipes.schema import save_recipe
from fsrfer.training.build import named_network
from fsrfer.training.classifier_trainer import ClassifierPlan
from fsrfer.training.views import ViewPlan
from support.tiny_recipes import tiny_classifier
from support.training_commands import trained
from support.training_parts import require_resumed_alike, tiny_faces

TEACHER = tiny_classifier("networks.teacher.architecture.widths=[12]", taught={"teacher": []})
STUDENT = tiny_classifier(taught={"student": []})


@pytest.fixture(scope="module")
def study(fabric, rafdb, tmp_path_factory):
    """A command of the study."""
    folder = tmp_path_factory.mktemp("study")
    trained(fabric, TEACHER, rafdb, folder / "teacher", steps=2)
    save_recipe(STUDENT, folder / "student.toml")
    words = [
        "fsr_study.py",
        "--recipe",
        str(folder / "student.toml"),
        "--data",
        f"rafdb={rafdb}",
        "-o",
        str(folder / "out"),
    ]
    words += ["--teacher", str(folder / "teacher"), "--factors", "1,2,4", "--max-steps", "2", "--precision", "32-true"]
    return folder / "out", [*words, "--seeds", "1"]


def test_every_arm_is_trained_in_sittings_and_the_page_tells_of_each_claim(study, monkeypatch):
    out, words = study
    codes = []
    for more in (["--minutes", "1e-6"], []):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        codes.append(fsr_study.main())
    assert codes == [75, 0]
    told = json.loads((out / "claims.json").read_text())
    assert [claim["method"] for claim in told["claims"]] == [claim.method for claim in CLAIMS]
    assert {claim["verdict"] for claim in told["claims"]} <= {"shown", "not shown", "shown against"}
    assert {row["factor"] for row in told["contrasts"]} == {2, 4}
    page = (out / "claims.md").read_text()
    for arm in ARMS:
        assert arm.title in page
        assert (out / "measured" / "rafdb-test" / "predictions" / arm.name / "seed-1" / "x4.npy").is_file()
    costs = {
        line.rsplit("|", 2)[1] for line in page.splitlines() if any(line.startswith(f"| {a.title} |") for a in ARMS)
    }
    assert len(costs) == 1, "arms of unequal cost"


def trainer(fabric, arm):
    settings, faces = STUDENT.networks["student"], tiny_faces()
    views = ViewPlan(1, 14, STUDENT.views, STUDENT.camera, STUDENT.augmentation)
    plan = ClassifierPlan(1, views, settings.optimizer, settings.loop.model_copy(update={"max_steps": 4}), 0.1)
    student, teacher = named_network(STUDENT, "student"), named_network(TEACHER, "teacher")
    return StudyTrainer(fabric, plan, arm, student, teacher, faces, faces)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_an_arm_learns_from_what_it_says_and_nothing_else(fabric, arm):
    torch.manual_seed(0)
    expected = {"classification", "size"}
    expected |= {name for name in ("same", "sharp", "feature", "adversarial") if getattr(arm, name)}
    assert set(trainer(fabric, arm).losses(0)) == expected


def test_an_arm_resumes_alike(fabric, tmp_path):
    critic = replace(next(arm for arm in ARMS if arm.adversarial), reweight=True)
    require_resumed_alike(trainer(fabric, critic), trainer(fabric, critic), tmp_path)


def found(sign, data="here"):
    low, high = (0.01, 0.03) if sign > 0 else (-0.03, -0.01)
    difference = Difference(0.02 * sign, (low, high) if sign else (-0.01, 0.01), 0.001, "bootstrap")
    return Found(CLAIMS[0], data, 2, difference, 0.001 if sign else 1.0)


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([1, 1, 0], "shown"),
        ([1, 0, 0], "not shown"),
        ([1, 1, -1], "not shown"),
        ([0, 0, 0], "not shown"),
        ([-1, -1, 0], "shown against"),
    ],
)
def test_a_verdict_needs_most_factors_and_none_against(signs, expected):
    assert verdict([found(sign) for sign in signs]) == expected


def test_a_verdict_holds_on_every_data_set():
    assert verdict([found(1, "here"), found(1, "there")]) == "shown"
    assert verdict([found(1, "here"), found(0, "there")]) == "not shown"


def test_without_two_arms_there_is_no_contrast():
    with pytest.raises(DataError, match="nothing to compare yet"):
        contrasts({})

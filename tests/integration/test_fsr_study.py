"""The study of feature super-resolution, at a tiny size: every arm, in sittings, to the page of claims."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import fsr_study
from fsrfer.comparison.claims import CLAIMS, CONTROLS, Found, contrasts, verdict
from fsrfer.comparison.restoring import RestoringTrainer, restoring
from fsrfer.comparison.statistics import Difference
from fsrfer.comparison.store import Store
from fsrfer.comparison.study import ARMS, StudyTrainer
from fsrfer.errors import DataError
from fsrfer.files import locked, locked_file
from fsrfer.recipes.schema import save_recipe
from fsrfer.training.build import named_network
from fsrfer.training.classifier_trainer import ClassifierPlan
from fsrfer.training.lessons import Lessons, last_side
from fsrfer.training.randomness import batch_indices
from fsrfer.training.views import ViewPlan, ViewSampler
from support.tiny_recipes import tiny_classifier
from support.training_commands import trained
from support.training_parts import require_resumed_alike, tiny_faces

TEACHER = tiny_classifier("networks.teacher.architecture.widths=[12]", taught={"teacher": []})
LARGER = TEACHER.model_copy(update={"input": TEACHER.input.model_copy(update={"size": 32})})
STUDENT = tiny_classifier(taught={"student": []})


@pytest.fixture(scope="module")
def study(fabric, rafdb, tmp_path_factory):
    """A command of the study, whose teacher sees larger faces than the students."""
    folder = tmp_path_factory.mktemp("study")
    trained(fabric, LARGER, rafdb, folder / "teacher", steps=2)
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
    words += [
        "--teacher",
        str(folder / "teacher"),
        "--factors",
        "1,2,4",
        "--max-steps",
        "2",
        "--lessons",
        "2",
        "--precision",
        "32-true",
    ]
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
    assert {row["factor"] for row in told["contrasts"]} == {None, 2, 4}
    page = (out / "claims.md").read_text()
    for arm in ARMS:
        assert arm.title in page
        assert (out / "measured" / "rafdb-test" / "predictions" / arm.name / "seed-1" / "x4.npy").is_file()
    cost = {
        arm.name: {line.rsplit("|", 2)[1].strip() for line in page.splitlines() if line.startswith(f"| {arm.title} |")}
        for arm in ARMS
    }
    dearer = cost.pop("image-sr")
    assert len(set.union(*cost.values())) == 1, "arms of unequal cost"
    assert min(dearer) > max(cost["votes"])


@pytest.fixture
def lessons(fabric, tmp_path):
    """Three lessons, made."""
    teacher, student, faces = named_network(TEACHER, "teacher"), named_network(STUDENT, "student"), tiny_faces()
    views = ViewPlan(1, 14, STUDENT.views, STUDENT.camera, STUDENT.augmentation)
    made = Lessons(fabric, views, faces, [teacher], last_side(student, faces), 3, tmp_path / "lessons", sharp=True)
    made.make_all(made.missing())
    assert not made.missing()
    return made


def trainer(fabric, arm, lessons):
    settings = STUDENT.networks["student"]
    plan = ClassifierPlan(
        1, lessons.sampler.plan, settings.optimizer, settings.loop.model_copy(update={"max_steps": 4}), 0.1
    )
    if arm.pixels:
        network = restoring(named_network(STUDENT, "student"), 1, seed=1)
        return RestoringTrainer(fabric, plan, arm.pixels, arm.sharp, network, lessons, tiny_faces())
    return StudyTrainer(fabric, plan, arm, named_network(STUDENT, "student"), lessons, tiny_faces())


def test_a_lesson_is_the_views_of_the_trainer_and_what_the_teacher_makes_of_them(fabric, lessons):
    number = int(batch_indices(7, 1, 3, 1))
    lesson, views = lessons.at(7, 1), lessons.sampler.batch(number)
    assert torch.equal(lesson.views.faces, views.faces)
    assert torch.equal(lesson.views.votes, views.votes)
    assert torch.equal(lesson.views.log2_px, views.log2_px)
    _, drawn = lessons.sampler.sharp_faces(number)
    with torch.no_grad():
        seen, sharp = (lessons.teachers[0](faces) for faces in (views.faces, torch.floor(drawn + 0.5)))
    torch.testing.assert_close(lesson.same.logits, seen.logits)
    torch.testing.assert_close(lesson.sharp.logits, sharp.logits)
    for features, lifted in ((lesson.same.features, seen.lifted), (lesson.sharp.features, sharp.lifted)):
        target = torch.nn.functional.adaptive_avg_pool2d(lifted, lessons.side)
        assert torch.corrcoef(torch.stack([features[:, 0].flatten(), target[:, 0].flatten()]))[0, 1] > 0.999
        torch.testing.assert_close(features.mean((0, 2, 3)), torch.zeros(target.shape[1]), atol=1e-3, rtol=0)


def test_a_teacher_may_see_the_same_views_larger(fabric, lessons, tmp_path):
    faces = tiny_faces()
    large = replace(faces, pixels=faces.pixels.repeat_interleave(2, 1).repeat_interleave(2, 2))
    plan, teacher = lessons.sampler.plan, named_network(LARGER, "teacher")
    made = Lessons(fabric, plan, faces, [teacher], lessons.side, 1, tmp_path / "larger", sharp=True, shown=large)
    made.make_all(made.missing())
    lesson, seen = made.at(1, 0), ViewSampler(fabric, plan, large).batch(0)
    assert torch.equal(lesson.views.faces, lessons.sampler.batch(0).faces)
    with torch.no_grad():
        torch.testing.assert_close(lesson.same.logits, made.teachers[0](seen.faces).logits)
    assert lesson.same.features.shape == lesson.sharp.features.shape == lessons.at(1, 0).same.features.shape
    halved = torch.nn.functional.avg_pool2d(seen.faces, 2)
    assert torch.corrcoef(torch.stack([halved.flatten(), lesson.views.faces.flatten()]))[0, 1] > 0.98


def test_every_pass_over_the_lessons_has_each_once(lessons):
    passes = [[float(lessons.at(5, step).same.logits.sum()) for step in range(3 * n, 3 * n + 3)] for n in range(4)]
    assert len({frozenset(one) for one in passes}) == 1
    assert len(set(passes[0])) == 3


def test_a_spoiled_lesson_is_named(lessons):
    for file in lessons.folder.iterdir():
        file.write_bytes(b"no lesson")
    with pytest.raises(DataError, match=r"0000\d\.safetensors: cannot be read .* remove it"):
        lessons.at(1, 0)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_an_arm_learns_from_what_it_says_and_nothing_else(fabric, arm, lessons):
    torch.manual_seed(0)
    expected = {"classification", "size"}
    expected |= {name for name in ("same", "sharp", "feature", "adversarial", "pixels") if getattr(arm, name)}
    assert set(trainer(fabric, arm, lessons).losses(0)) == expected


def test_features_of_the_same_view_and_of_the_sharp_face_are_two_targets(fabric, lessons):
    told = {}
    for arm in ARMS:
        if arm.feature and not arm.sharp:
            torch.manual_seed(0)
            told[arm.of_same] = trainer(fabric, arm, lessons).losses(0)["feature"].item()
    lesson, student = lessons.at(1, 0), trainer(fabric, ARMS[0], lessons)
    brought = student.network.get_submodule("to_teacher")(student.analyse(lesson.views.faces).lifted)
    for of_same, features in ((False, lesson.sharp.features), (True, lesson.same.features)):
        expected = 30 * (brought - features).square().mean().detach()
        assert told[of_same] == pytest.approx(float(expected), rel=1e-4)
    assert told[True] != told[False]


def test_a_restorer_is_nothing_at_first_and_then_learns_the_sharp_face_of_its_view(fabric, lessons):
    arm = next(arm for arm in ARMS if arm.pixels)
    restores = trainer(fabric, arm, lessons)
    lesson, sharp = lessons.at(1, 0), lessons.sharp_faces(1, 0)
    torch.manual_seed(0)
    told = restores.losses(0)
    assert told["pixels"].item() == pytest.approx(float(10 * (lesson.views.faces - sharp).abs().mean() / 255), rel=1e-4)
    alone = trainer(fabric, ARMS[0], lessons)
    torch.manual_seed(0)
    assert told["classification"].item() == pytest.approx(alone.losses(0)["classification"].item(), rel=1e-4)
    for step in range(3):
        restores.train_step(step)
    assert restores.network.restorer.last.weight.abs().max() > 0


def test_a_lesson_without_a_part_is_named(lessons):
    for file in lessons.folder.iterdir():
        kept = load_file(file)
        del kept["same_features"]
        save_file(kept, file)
    with pytest.raises(DataError, match=r"cannot be read \('same_features'\); remove it"):
        lessons.at(1, 0)


def test_an_arm_resumes_alike(fabric, tmp_path, lessons):
    critic = replace(next(arm for arm in ARMS if arm.adversarial), reweight=True)
    require_resumed_alike(trainer(fabric, critic, lessons), trainer(fabric, critic, lessons), tmp_path)


def test_a_run_that_another_process_is_at_is_left_to_it(study, monkeypatch, capsys):
    out, words = study
    monkeypatch.setattr(sys, "argv", [*words, "--arms", "votes"])
    with locked(out / "runs" / "seed-1" / "votes"):
        assert fsr_study.main() == 0
    assert "seed-1/votes: another run is writing into this folder" in capsys.readouterr().err


def test_a_page_that_another_process_is_writing_is_left_to_it(study, monkeypatch, capsys):
    out, words = study
    monkeypatch.setattr(sys, "argv", [*words, "--arms", "votes"])
    out.mkdir(exist_ok=True)
    page = out / "claims.md"
    page.write_text("theirs")
    with locked_file(page):
        assert fsr_study.main() == 0
    assert "the same command writes the page" in capsys.readouterr().err
    assert page.read_text() == "theirs"


def found(sign, data="here", factor=None):
    low, high = (0.01, 0.03) if sign > 0 else (-0.03, -0.01)
    difference = Difference(0.02 * sign, (low, high) if sign else (-0.01, 0.01), 0.001, "bootstrap")
    return Found(CLAIMS[0], data, factor, difference, 0.001 if sign else 1.0)


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (1, 1, "shown"),
        (1, 0, "not shown"),
        (1, -1, "not shown"),
        (0, 0, "not shown"),
        (-1, -1, "shown against"),
    ],
)
def test_a_verdict_is_that_of_the_mean_on_every_data_set(here, there, expected):
    assert verdict([found(here), found(there, "there"), found(-1, factor=2), found(1, "there", 4)]) == expected


def test_the_mean_over_the_factors_is_compared_face_by_face(study):
    out, _ = study
    store = Store.load(out / "measured" / "rafdb-test")
    runs = store.runs()

    def accuracy(arm, factor):
        return np.mean([run.argmax(1) == store.labels for run in runs[arm].probabilities[factor].values()])

    told = contrasts({"here": store})
    assert [one.factor for one in told].count(None) == len(CLAIMS) + len(CONTROLS)
    for one in told:
        factors = [2, 4] if one.factor is None else [one.factor]
        gains = [accuracy(one.claim.method, factor) - accuracy(one.claim.reference, factor) for factor in factors]
        assert one.difference.mean == pytest.approx(np.mean(gains))


def test_without_two_arms_there_is_no_contrast():
    with pytest.raises(DataError, match="nothing to compare yet"):
        contrasts({})


def test_a_factor_that_one_run_was_not_measured_at_yet_is_left_out(study, tmp_path):
    shutil.copytree(study[0] / "measured" / "rafdb-test", tmp_path / "figures")
    votes = sorted((tmp_path / "figures" / "predictions" / "votes").glob("seed-*"))
    for file in votes[0].glob("x4.*"):
        file.unlink()
    told = contrasts({"here": Store.load(tmp_path / "figures")})
    of_votes = [one for one in told if "votes" in (one.claim.method, one.claim.reference)]
    assert {one.factor for one in of_votes} == {None, 2}
    assert {one.factor for one in told} == {None, 2, 4}

import pytest

from fsrfer.errors import FsrferError
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.training.build import joined, named_network
from fsrfer.training.classifier import Given, check_given
from fsrfer.training.run import RECIPE_FILE, WEIGHTS_FILE, save_weights
from support.tiny_recipes import tiny_classifier
from support.toy_model import toy_bytes

TOY = ("toy.onnx", toy_bytes())


def run(folder, recipe):
    """The folder of a finished run of a recipe."""
    save_recipe(recipe, folder / RECIPE_FILE)
    save_weights(joined([named_network(recipe, name) for name in recipe.export.members]), folder / WEIGHTS_FILE)
    return folder


def only(recipe, name):
    """The recipe of one of its networks alone, as a run has it below ``networks``."""
    export = recipe.export.model_copy(update={"members": [name]})
    return recipe.model_copy(update={"networks": {name: recipe.networks[name]}, "export": export})


def require_refusal(recipe, given, message):
    with pytest.raises(FsrferError, match=message) as refusal:
        check_given(recipe, given)
    assert "\n" not in str(refusal.value)


def test_a_start_has_every_network_in_the_recipes_architecture(tmp_path):
    recipe = tiny_classifier()
    start = run(tmp_path / "run", recipe)
    check_given(recipe, Given(start))
    require_refusal(tiny_classifier("networks.first.uplift.hidden=5"), Given(start), "only the same architecture fits")
    paper = load_recipe("paper-small", ["input.size=16"])
    save_recipe(paper, start / RECIPE_FILE)
    require_refusal(recipe, Given(start), "a run of paper-small holds no such network")
    without = tiny_classifier("export.members=['first']")
    require_refusal(without, Given(run(tmp_path / "one", without)), "nothing to start second from")


def test_members_are_the_very_networks_of_the_recipe(tmp_path):
    recipe = tiny_classifier()
    folders = {name: run(tmp_path / name, only(recipe, name)) for name in recipe.networks}
    check_given(recipe, Given(members=folders))
    swapped = Given(members={"first": folders["second"]})
    require_refusal(
        recipe,
        swapped,
        "second: not a run of tiny's network first with these settings; give its own folder in networks/",
    )
    shorter = tiny_classifier("networks.first.loop.max_steps=9")
    require_refusal(shorter, Given(members=folders), "first: not a run of tiny's network first")
    require_refusal(recipe, Given(members={"first": run(tmp_path / "whole", recipe)}), "not a run of tiny's network")
    require_refusal(recipe, Given(members={"first": tmp_path}), "no finished run there")


@pytest.fixture
def teacher(tmp_path):
    save_recipe(tiny_classifier(taught={"teacher": []}), tmp_path / "teacher.toml")
    return str(tmp_path / "teacher.toml")


def test_a_teacher_is_of_its_recipes_architecture_and_takes_the_same_faces(tmp_path, teacher):
    student = tiny_classifier(taught={"student": [teacher]})
    check_given(student, Given())
    finished = run(tmp_path / "run", tiny_classifier(taught={"teacher": []}))
    check_given(student, Given(teachers={teacher: finished}))
    require_refusal(student, Given(teachers={teacher: TOY}), "toy.onnx: it holds 0 networks")
    wider = run(
        tmp_path / "wider", tiny_classifier("networks.teacher.architecture.widths=[12]", taught={"teacher": []})
    )
    require_refusal(student, Given(teachers={teacher: wider}), "only the same architecture fits")
    colour = tiny_classifier("input.colour=rgb", taught={"student": [teacher]})
    require_refusal(colour, Given(), r"its teacher \S+ takes grey faces of 16 pixels, not rgb ones of 16")
    paper = tiny_classifier(taught={"student": ["paper-small"]})
    require_refusal(paper, Given(), "its teacher paper-small is no classifier")
    require_refusal(tiny_classifier(taught={"student": ["tacher"]}), Given(), "no recipe 'tacher'")


def test_a_teacher_that_is_trained_first_starts_from_what_there_is(tmp_path, teacher):
    described = tiny_classifier("networks.teacher.start=techer", taught={"teacher": []})
    save_recipe(described, tmp_path / "teacher.toml")
    student = tiny_classifier(taught={"student": [teacher]})
    require_refusal(student, Given(), "teacher starts from techer, which none of its teachers has")


def test_nobody_is_taught_by_what_it_teaches(tmp_path, teacher):
    path = tmp_path / "student.toml"
    for name in (teacher, str(path)):
        student = tiny_classifier(taught={"student": [name]})
        save_recipe(student, path)
        save_recipe(tiny_classifier(taught={"teacher": [str(path)]}), tmp_path / "teacher.toml")
        require_refusal(student, Given(), r"its teacher \S+ is taught by tiny itself")
    finished = run(tmp_path / "run", tiny_classifier(taught={"student": [str(path)]}))
    check_given(student, Given(teachers={str(path): finished}))

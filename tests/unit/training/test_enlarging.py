"""A network made anew for faces of twice the size by `tools/enlarge_network.py`."""

import pytest
import torch

import enlarge_network
from fsrfer.errors import RecipeError, TrainingError
from fsrfer.recipes.schema import save_recipe
from fsrfer.training.build import joined, named_network
from fsrfer.training.run import RECIPE_FILE, WEIGHTS_FILE, save_weights
from fsrfer.training.start import load_run
from support.tiny_recipes import tiny_classifier


def finished(folder, *changes, taught):
    """A run of networks of which none has its initial weights, for faces of 16 pixels."""
    folder.mkdir()
    recipe = tiny_classifier(*changes, taught=taught)
    network = joined([named_network(recipe, name) for name in recipe.export.members])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    save_recipe(recipe, folder / RECIPE_FILE)
    save_weights(network, folder / WEIGHTS_FILE)
    return folder


def enlarge(run, output, monkeypatch):
    monkeypatch.setattr("sys.argv", ["enlarge_network.py", str(run), "-o", str(output)])
    return enlarge_network.main()


def smooth_faces():
    """Faces whose frequencies up to half of the highest have all their energy, as those of a picture have most."""
    few = torch.rand(8, 1, 5, 5, generator=torch.Generator().manual_seed(1)) * 255
    return torch.nn.functional.interpolate(few, size=16, mode="bilinear")


def test_it_sees_in_squares_of_four_pixels_what_the_old_one_saw_in_one(tmp_path, monkeypatch):
    run = finished(tmp_path / "run", "networks.first.uplift.conditioned=false", taught={"first": []})
    assert enlarge(run, tmp_path / "larger", monkeypatch) == 0
    (_, old), (recipe, new) = load_run(run), load_run(tmp_path / "larger")
    assert recipe.input.size == 32
    assert recipe.networks["first"].architecture.stem_stride == 2
    faces = smooth_faces()
    with torch.no_grad():
        before = old.eval().analyse(faces)
        after = new.eval().analyse(faces.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(after.logits, before.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.log2_px, before.log2_px, atol=0.1, rtol=0)


def test_finer_pixels_reach_it(tmp_path, monkeypatch):
    enlarge(finished(tmp_path / "run", taught={"first": []}), tmp_path / "larger", monkeypatch)
    network = load_run(tmp_path / "larger")[1].train()
    network(torch.rand(4, 1, 32, 32) * 255).square().sum().backward()
    gradient = network.stem[0].weight.grad
    assert (gradient[..., 0::2, :] - gradient[..., 1::2, :]).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("changes", "taught"),
    [
        ([], {"first": [], "second": ["first"]}),
        (["networks.first.architecture.stem_stride=2"], {"first": []}),
    ],
)
def test_other_runs_are_refused(tmp_path, monkeypatch, changes, taught):
    run = finished(tmp_path / "run", *changes, taught=taught)
    with pytest.raises(RecipeError, match="not of one network with stem_stride = 1; only such can be enlarged"):
        enlarge(run, tmp_path / "larger", monkeypatch)
    assert not (tmp_path / "larger").exists()


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path, monkeypatch):
    run = finished(tmp_path / "run", taught={"first": []})
    before = (run / WEIGHTS_FILE).read_bytes()
    with pytest.raises(TrainingError, match="run: holds a run already; choose another folder"):
        enlarge(run, run, monkeypatch)
    assert (run / WEIGHTS_FILE).read_bytes() == before

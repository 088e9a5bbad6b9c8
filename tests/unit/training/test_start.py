import pytest
import torch

from fsrfer.errors import ModelError, TrainingError
from fsrfer.export.onnx import round_kernels, store_bytes, to_onnx
from fsrfer.networks.calibrated import Calibrated
from fsrfer.networks.norm import BatchNorm2d
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.training.build import joined, named_network
from fsrfer.training.run import RECIPE_FILE, WEIGHTS_FILE, save_weights
from fsrfer.training.start import KERNEL_SCALE, finished_classifier, load_members, load_run
from fsrfer.types import Calibration
from support.tiny_recipes import tiny_classifier

ONE, TAUGHT = {"first": []}, {"first": [], "second": ["first"], "third": ["first"]}


def faces(count=32, seed=0):
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 255


def experienced(described):
    """Its networks as after a training: no weight, norm or running statistic is the initial one."""
    networks = [named_network(described, name) for name in described.export.members]
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
            for module in network.modules():
                if isinstance(module, BatchNorm2d):
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.5, 2)
    return [network.eval() for network in networks]


def exported(described):
    """Experienced networks of a recipe and their file, as `fsrfer train` writes it."""
    networks = experienced(described)
    round_kernels(joined(networks))
    calibration = Calibration.of_temperature(0.3, 0.1, members=len(networks))
    model = to_onnx(Calibrated(joined(networks), calibration), 1, 16)
    store_bytes(model)
    return networks, model.SerializeToString()


@pytest.fixture(scope="module")
def alone():
    """One network and its file."""
    return exported(tiny_classifier(taught=ONE))


def require_alike(networks, again):
    """Networks that answer the same, of which the first estimates the same size."""
    seen = faces(seed=2)
    with torch.no_grad():
        for network, found in zip(networks, again, strict=True):
            torch.testing.assert_close(found.eval()(seen), network(seen), atol=1e-3, rtol=1e-3)
        sizes = [several[0].analyse(seen).log2_px for several in (networks, again)]
    torch.testing.assert_close(*sizes, atol=1e-3, rtol=1e-3)


def test_an_exported_network_is_filled_back_as_it_was(alone):
    networks, model = alone
    require_alike(
        networks, load_members(tiny_classifier("networks.first.seed=99", taught=ONE), ("mine.onnx", model), faces())
    )


def test_an_exported_ensemble_is_filled_back_as_it_was():
    changes = ["networks.second.uplift.conditioned=true"]
    networks, model = exported(tiny_classifier(*changes, taught=TAUGHT))
    again = load_members(
        tiny_classifier(*changes, "networks.first.seed=99", taught=TAUGHT), ("mine.onnx", model), faces()
    )
    require_alike(networks, again)


def test_what_is_filled_back_has_norms_that_training_can_go_on_from(alone):
    (again,) = load_members(tiny_classifier(taught=ONE), ("mine.onnx", alone[1]), faces(64))
    with torch.no_grad():
        expected, found = again.eval()(faces(64)), again.train()(faces(64))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)


def test_kernels_that_are_filled_back_have_the_scale_of_training(alone):
    (again,) = load_members(tiny_classifier(taught=ONE), ("mine.onnx", alone[1]), faces(64))
    kernels = [again.stem[0].weight, again.stages[0][0][0].weight, again.stages[0][1].conv2.weight]
    for kernel in kernels:
        assert kernel.square().mean().sqrt().item() == pytest.approx(KERNEL_SCALE, rel=1e-4)


def test_a_norm_of_zero_which_leaves_no_kernel_is_filled_back_too():
    described = tiny_classifier(taught=ONE)
    (network,) = experienced(described)
    torch.nn.init.zeros_(network.stages[0][1].norm2.weight)
    round_kernels(network)
    model = to_onnx(Calibrated(network, Calibration.of_temperature(0.3, 0.1)), 1, 16)
    store_bytes(model)
    (again,) = load_members(described, ("mine.onnx", model.SerializeToString()), faces())
    assert all(torch.isfinite(parameter).all() for parameter in again.parameters())
    require_alike([network], [again])


STEM, BLOCKS = "networks.first.architecture.stem", "networks.first.architecture.blocks"


@pytest.mark.parametrize(
    ("changes", "taught", "message"),
    [
        ([f"{STEM}=6"], ONE, r"mine.onnx: \(4, 1, 3, 3\) where stem.0.weight \(6, 1, 3, 3\) was expected"),
        ([f"{BLOCKS}=[2]"], ONE, "mine.onnx: nothing where stages.0.2.conv1.weight"),
        ([f"{BLOCKS}=[0]"], ONE, "mine.onnx: stages.0.1.conv1.weight has no place in the network"),
        (["networks.first.uplift.blocks=0"], ONE, r"mine.onnx: uplift.blocks.0.\S+ has no place in the network"),
        (["networks.first.architecture.pooling=mean"], ONE, "mine.onnx: pooling.weight has no place"),
        ([], TAUGHT, "mine.onnx: it holds 1 networks, where 3 are needed"),
    ],
)
def test_an_exported_model_of_another_architecture_is_refused_by_what_differs(alone, changes, taught, message):
    with pytest.raises(ModelError, match=message) as refusal:
        load_members(tiny_classifier(*changes, taught=taught), ("mine.onnx", alone[1]), faces(4))
    assert "\n" not in str(refusal.value)


@pytest.fixture
def run(tmp_path):
    """A finished run of two networks, and these."""
    described = tiny_classifier()
    networks = experienced(described)
    save_recipe(described, tmp_path / RECIPE_FILE)
    save_weights(joined(networks), tmp_path / WEIGHTS_FILE)
    return described, tmp_path, networks


def test_a_finished_run_of_the_same_architecture_is_a_start_however_it_was_trained(run):
    described, folder, networks = run
    other = tiny_classifier("networks.first.optimizer.name=adamw", "name=other")
    for network, found in zip(networks, load_members(other, folder, faces(4)), strict=True):
        with torch.no_grad():
            assert torch.equal(found.eval()(faces()), network(faces()))
    kept, network = load_run(folder)
    assert kept == described
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(faces()), joined(networks)(faces()))


@pytest.mark.parametrize("change", [f"{STEM}=6", "input.colour=rgb", "networks.second.uplift.conditioned=true"])
def test_a_finished_run_of_another_architecture_is_not(run, change):
    with pytest.raises(ModelError, match="only the same architecture fits"):
        load_members(tiny_classifier(change), run[1], faces(4))


def test_a_folder_without_a_finished_run_of_a_classifier_is_told(run, tmp_path):
    save_weights(run[2][0], tmp_path / WEIGHTS_FILE)  # of one network of two
    with pytest.raises(TrainingError, match="not the weights of this network .*train it again"):
        load_run(tmp_path)
    save_recipe(load_recipe("paper-small"), tmp_path / RECIPE_FILE)
    with pytest.raises(TrainingError, match="a run of paper-small holds no such network; name a run of a classifier"):
        finished_classifier(tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(TrainingError, match="no finished run there"):
        load_run(tmp_path)

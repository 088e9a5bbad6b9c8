import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fsrfer.errors import ModelError
from fsrfer.export.onnx import round_kernels, store_bytes, to_onnx
from fsrfer.networks.calibrated import Calibrated
from fsrfer.networks.compact import CompactNet, FactoredConv
from fsrfer.networks.ensemble import Ensemble
from fsrfer.networks.norm import BatchNorm2d
from fsrfer.networks.uplift import MIDDLE_LOG2_PX
from fsrfer.training.parents import factor_into, inherit, load_exported, product
from fsrfer.types import Calibration


def faces(count=6, seed=0):
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 255


def compact(seed=0, **changes):
    torch.manual_seed(seed)
    settings = {"stem": 4, "widths": (8, 16), "blocks": (1, 1), "uplift_hidden": 4, "dropout": 0.0, "sized": False}
    return CompactNet(size=16, **{**settings, **changes})


WITH_ALL = {"uplift_blocks": 1, "sized": True, "placed": True}


def experienced(network):
    """The network as after a training: no weight, norm or running statistic is the initial one."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        for module in network.modules():
            if isinstance(module, BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
    return network.eval()


def test_a_deeper_network_with_a_generator_and_placed_pooling_starts_as_the_same_function():
    parent = experienced(compact())
    network = compact(seed=1, blocks=(2, 3), uplift_blocks=2, sized=True, placed=True)
    inherit(network, parent)
    torch.testing.assert_close(network.eval()(faces()), parent(faces()))


WIDER = {"stem": 6, "widths": (12, 20)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WITH_ALL, WITH_ALL | WIDER),
        (WITH_ALL | {"rank_share": 1.0}, WITH_ALL | WIDER | {"rank_share": 2.0}),
        (WITH_ALL | {"rank_share": 1.0}, WITH_ALL | WIDER),
    ],
    ids=["whole kernels", "kernels in two factors, of higher rank", "whole kernels for those in two factors"],
)
def test_a_wider_network_starts_as_the_same_function_and_its_new_channels_can_learn(before, after):
    parent = experienced(compact(**before))
    network = compact(seed=1, **after).eval()
    inherit(network, parent)
    logits = network(faces())
    torch.testing.assert_close(logits, parent(faces()), atol=1e-4, rtol=1e-4)
    logits.square().sum().backward()
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d) and name.startswith("stages"):
            assert module.weight.grad[: len(module.weight) // 2, -2:].any(), (
                f"{name} cannot learn to hear the new channels"
            )


def test_fewer_channels_between_the_factors_and_more_outside_at_once_are_refused():
    with pytest.raises(ModelError, match=r"stages.0.0.0.weight is \(8, 4, 3, 3\): .* cannot be wider, too"):
        inherit(compact(stem=6, widths=(12, 20), rank_share=0.7), compact(rank_share=2.0))


def test_everything_the_parent_has_is_inherited():
    parent = experienced(compact(**WITH_ALL))
    network = compact(seed=1, **WITH_ALL)
    inherit(network, parent)
    assert all(torch.equal(value, parent.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ({"widths": (8, 20)}, r"stages.1.0.0.weight is \(20, 8, 3, 3\), not \(16, 8, 3, 3\) or less.*another recipe"),
        ({"blocks": (1, 2)}, r"stages.1.2.\S+ has no place in the network.*another recipe"),
        ({"placed": True}, r"pooling.weight has no place in the network.*another recipe"),
    ],
)
def test_a_parent_of_another_recipe_is_refused(parent, message):
    with pytest.raises(ModelError, match=message):
        inherit(compact(), compact(**parent))


def test_a_smaller_generator_takes_the_first_blocks_as_they_are():
    parent = experienced(compact(**WITH_ALL | {"uplift_blocks": 3}))
    network = compact(seed=1, **WITH_ALL | {"uplift_blocks": 2})
    inherit(network, parent)
    mine, theirs = network.uplift.state_dict(), parent.uplift.state_dict()
    assert mine and all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_no_generator_is_the_smallest_of_all():
    parent = experienced(compact(**WITH_ALL))
    network = compact(seed=1, **WITH_ALL | {"uplift_blocks": 0})
    inherit(network, parent)
    assert all(torch.equal(value, parent.state_dict()[name]) for name, value in network.state_dict().items())


def test_a_generator_that_is_not_told_the_size_lifts_every_face_as_its_parent_did_the_middle_size():
    whole = experienced(compact(**WITH_ALL | {"uplift_blocks": 2}))
    network = compact(seed=1, **WITH_ALL | {"uplift_blocks": 2, "conditioned": False})
    inherit(network, whole)
    parent = whole.uplift
    features = torch.rand(3, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    middle = parent(features, torch.full((3,), MIDDLE_LOG2_PX))
    torch.testing.assert_close(network.eval().uplift(features, torch.tensor([1.0, 3.0, 5.0])), middle)
    assert not torch.allclose(parent(features, torch.full((3,), MIDDLE_LOG2_PX + 1)), middle)


def kernel(outs=6, ins=4, seed=0):
    return torch.randn(outs, ins, 3, 3, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def factored(weight, rank, stride=1):
    module = FactoredConv(weight.shape[1], weight.shape[0], rank, stride)
    factor_into(module, weight)
    return module


@pytest.mark.parametrize("stride", [1, 2])
def test_two_factors_of_full_rank_are_the_convolution_itself(stride):
    maps = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    expected = F.conv2d(maps, kernel(), stride=stride, padding=1)
    torch.testing.assert_close(factored(kernel(), rank=12, stride=stride)(maps), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 5, 11])
def test_two_factors_of_lower_rank_miss_no_more_than_the_singular_values_left_out(rank):
    module = factored(kernel(), rank)
    down, across = module.down.weight[..., 0], module.across.weight[:, :, 0]  # rank x in x 3, out x rank x 3
    missed = torch.einsum("riy,orx->oiyx", down, across) - kernel()
    matrix = kernel().permute(1, 2, 0, 3).reshape(12, 18)  # places down against places across
    left_out = np.linalg.svd(matrix.double().numpy(), compute_uv=False)[rank:]
    assert missed.square().sum().item() == pytest.approx((left_out**2).sum(), rel=1e-4)


def test_a_factored_network_takes_the_best_of_its_parents_whole_convolutions():
    parent = experienced(compact())
    network = compact(seed=1, rank_share=3.0)  # so high a rank that nothing is lost
    inherit(network, parent)
    torch.testing.assert_close(network.eval()(faces()), parent(faces()), atol=1e-3, rtol=1e-3)


def test_two_kernels_one_after_the_other_are_their_product():
    module = factored(kernel(), rank=5)
    maps = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    at_once = F.conv2d(maps, product(module.down.weight, module.across.weight), padding=1)
    torch.testing.assert_close(module(maps), at_once, atol=1e-4, rtol=1e-4)


def test_factors_may_become_more_without_loss_and_stay_the_very_same_where_they_are_as_many():
    parent = experienced(compact(rank_share=0.5))
    wider, same = compact(seed=1, rank_share=3.0), compact(seed=1, rank_share=0.5)
    inherit(wider, parent)
    inherit(same, parent)
    torch.testing.assert_close(wider.eval()(faces()), parent(faces()), atol=1e-3, rtol=1e-3)
    assert all(torch.equal(value, parent.state_dict()[name]) for name, value in same.state_dict().items())


def test_fewer_factors_are_the_best_of_the_parents():
    parent = experienced(compact(widths=(16, 16), rank_share=1.0))
    network = compact(seed=1, widths=(16, 16), rank_share=0.5)
    inherit(network, parent)
    whole = parent.stages[1][1].conv1
    expected = FactoredConv(16, 16, 8, stride=1)
    with torch.no_grad():
        factor_into(expected, product(whole.down.weight, whole.across.weight))
    assert torch.equal(network.stages[1][1].conv1.down.weight, expected.down.weight)
    assert torch.equal(network.stages[1][1].conv1.across.weight, expected.across.weight)


@pytest.fixture(scope="module")
def exported():
    """A network and its file, as `fsrfer train` writes it."""
    network = experienced(compact(**WITH_ALL))
    return network, to_onnx(Calibrated(network, Calibration.of_temperature(0.3, 0.1)), 1, 16).SerializeToString()


def test_an_exported_network_is_loaded_back_as_it_was(exported):
    network, model = exported
    again = compact(seed=1, **WITH_ALL)
    load_exported(again, model, faces(32), "mine.onnx")
    with torch.no_grad():
        expected, found = network.analyse(faces(seed=2)), again.eval().analyse(faces(seed=2))
    for part in ("features", "lifted", "logits", "log2_px"):
        torch.testing.assert_close(getattr(found, part), getattr(expected, part), atol=1e-3, rtol=1e-3)


def test_a_loaded_network_has_norms_that_training_can_go_on_from(exported):
    again = compact(seed=1, **WITH_ALL)
    load_exported(again, exported[1], faces(64), "mine.onnx")
    with torch.no_grad():
        expected, found = again.eval()(faces(64)), again.train()(faces(64))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)


def test_a_factored_network_without_calibration_is_loaded_back_too():
    network = experienced(compact(rank_share=0.5))
    again = compact(seed=1, rank_share=0.5)
    load_exported(again, to_onnx(network, 1, 16).SerializeToString(), faces(32), "mine.onnx")
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(faces()), network(faces()), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("member", [0, 1])
def test_a_member_of_an_exported_ensemble_is_loaded_by_the_recipe_it_was_made_by(member):
    recipes = (WITH_ALL, {"stem_stride": 2, "placed": True})
    members = [experienced(compact(**recipe)) for recipe in recipes]
    ensemble = Ensemble(members)
    round_kernels(ensemble)
    model = to_onnx(Calibrated(ensemble, Calibration.of_temperature(0.3, 0.1, members=2)), 1, 16)
    store_bytes(model)
    again = compact(seed=1, **recipes[member])
    load_exported(again, model.SerializeToString(), faces(32), "mine.onnx")
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(faces()), members[member](faces()), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({**WITH_ALL, "stem": 6}, r"mine.onnx: \(4, 1, 3, 3\) where stem.0.weight \(6, 1, 3, 3\) was expected"),
        ({**WITH_ALL, "blocks": (1, 2)}, r"mine.onnx: nothing where stages.1.2.conv1.weight"),
        ({**WITH_ALL, "rank_share": 0.5}, r"mine.onnx: nothing where stages.0.0.0.down.weight"),
        ({**WITH_ALL, "blocks": (1, 0)}, r"mine.onnx: stages.1.1.conv1.weight has no place in the network"),
        ({**WITH_ALL, "uplift_blocks": 0}, r"mine.onnx: uplift.blocks.0.\S+ has no place in the network"),
        ({**WITH_ALL, "placed": False}, r"mine.onnx: pooling.weight has no place in the network"),
        ({**WITH_ALL, "sized": False}, r"mine.onnx: effective_size.\S+ has no place in the network"),
    ],
)
def test_an_exported_model_of_another_recipe_is_refused_by_the_layer_that_differs(exported, recipe, message):
    with pytest.raises(ModelError, match=message):
        load_exported(compact(**recipe), exported[1], faces(), "mine.onnx")

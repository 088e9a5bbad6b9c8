import torch

from fsrfer.networks.residual import PlacePooling, ResidualNet, last_side, stem_convolution


def test_it_begins_as_the_mean():
    features = torch.rand(3, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(PlacePooling(4, 6)(features), features.mean((2, 3)))


def test_a_place_counts_by_its_weight_in_its_own_channel():
    pooling = PlacePooling(2, 2)
    with torch.no_grad():
        pooling.weight[0, 1, 0] = 0.5
    features = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[1.0, 2.0], [3.0, 6.0]]]])
    assert pooling(features).tolist() == [[3.0 + 0.5 * 3.0, 3.0]]  # the mean of both is 3


def test_the_last_map_is_as_large_as_it_says():
    for size in (16, 24, 25, 50):
        for stride in (1, 2, 4):
            network = ResidualNet(size=size, stem=4, stem_stride=stride, widths=(4, 8), blocks=(1, 1), placed=True)
            side = last_side(size, 2, stride)
            assert network.analyse(torch.zeros(2, 1, size, size)).lifted.shape[2:] == (side, side)


def test_a_coarser_stem_sees_every_pixel_as_often_as_a_fine_one():
    for stride, side in ((1, 48), (2, 24), (4, 12)):
        stem = stem_convolution(1, 1, stride)
        torch.nn.init.ones_(stem.weight)
        ones = torch.ones(1, 1, 48, 48, requires_grad=True)
        found = stem(ones)
        assert found.shape[2:] == (side, side)
        found.sum().backward()
        assert bool((ones.grad[..., 8:-8, 8:-8] == 9).all())

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fsrfer.networks.generator import DenseBlock, FeatureGenerator, same_conv


def test_parameters_of_the_paper():
    generator = FeatureGenerator()
    convs = [module for module in generator.modules() if isinstance(module, nn.Conv2d)]
    weights = sum(conv.weight.numel() for conv in convs)
    # 18 dense blocks: 9 * 16 * (32+48+64+80) + 9 * 96 * 32 = 59,904 each; conv 1->32: 288; trunk 32->32: 9,216;
    # 8x8 32->32: 65,536; 8x8 32->1: 2,048
    assert weights == 18 * 59_904 + 288 + 9_216 + 65_536 + 2_048 == 1_155_360
    # Batch norm folded into its convolution leaves one bias for each output channel.
    assert weights + sum(conv.out_channels for conv in convs) == 1_157_185
    assert sum(parameter.numel() for parameter in generator.parameters()) == 1_158_913


def test_multiply_adds_of_the_paper():
    with torch.device("meta"):
        generator = FeatureGenerator().eval()
        feature = torch.empty(1, 1, 128, 128)
    with FlopCounterMode(display=False) as counter:
        generator(feature)
    assert counter.get_total_flops() == 2 * 128 * 128 * 1_155_360  # 18.93 G multiply-adds


@pytest.mark.parametrize("kernel", [3, 4, 8])
def test_same_conv_keeps_size_with_even_kernels(kernel):
    conv = same_conv(1, 1, kernel, bias=False)
    with torch.no_grad():
        conv[1].weight.zero_()
        conv[1].weight[0, 0, (kernel - 1) // 2, (kernel - 1) // 2] = 1  # the identity, if nothing shifts
    maps = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(conv(maps), maps)


def test_dense_block_by_hand():
    block = DenseBlock(channels=1, growth=1, residual_scale=0.2).eval()
    with torch.no_grad():
        for index, conv in enumerate(block.convs):
            conv[0].weight.zero_()
            conv[0].weight[0, index, 1, 1] = -2.0  # only the newest map counts
            conv[1].running_var.fill_(1 - conv[1].eps)  # so that batch norm changes nothing
    # 1 -> -2 -> leaky -0.4 -> 0.8 -> -1.6 -> leaky -0.32 -> 0.64 -> fifth, not activated: -1.28; 1 - 0.2 * 1.28
    assert block(torch.ones(1, 1, 1, 1)).item() == pytest.approx(1 - 0.2 * 1.28)


def test_first_output_is_nearly_zero():
    torch.manual_seed(0)
    generator = FeatureGenerator(channels=8, growth=4, blocks=1).train()
    assert generator(torch.randn(2, 1, 16, 16)).abs().max() < 0.05


def test_generator_learns_to_restore_a_feature():
    torch.manual_seed(0)
    generator = FeatureGenerator(channels=8, growth=4, blocks=1, kernel=4)
    feat_hr = torch.randn(8, 1, 12, 12)
    feat_lr = 0.5 * feat_hr
    optimizer = torch.optim.Adam(generator.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = (generator(feat_lr) - feat_hr).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]

import torch

from fsrfer.networks.ensemble import Ensemble
from fsrfer.networks.residual import ResidualNet


def network(seed, **settings):
    torch.manual_seed(seed)
    net = ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,), **settings)
    torch.nn.init.normal_(net.head.bias)
    return net.eval()


FACES = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 255


def test_it_answers_the_mean_logits_and_the_first_ones_size():
    first, second, third = network(0), network(1, stem_stride=2), network(2, uplift_hidden=4, uplift_blocks=1)
    found = Ensemble([first, second, third]).analyse(FACES)
    torch.testing.assert_close(found.each, torch.stack([first(FACES), second(FACES), third(FACES)], 1))
    torch.testing.assert_close(found.logits, (first(FACES) + second(FACES) + third(FACES)) / 3)
    torch.testing.assert_close(found.log2_px, first.analyse(FACES).log2_px)


def test_one_member_answers_as_it_does_alone():
    alone = network(0)
    assert torch.equal(Ensemble([alone])(FACES), alone(FACES))
    assert Ensemble([alone]).effective_size is alone.effective_size

import torch
import torch.nn.functional as F

from fsrfer.networks.sr import ImageSuperResolver


def test_identity_at_the_start():
    faces = torch.rand(2, 3, 20, 21)
    assert torch.equal(ImageSuperResolver(channels=8, blocks=1)(faces), faces)


def test_range_is_kept_in_evaluation_only():
    resolver = ImageSuperResolver(in_channels=1, channels=8, blocks=1)
    torch.nn.init.constant_(resolver.last.bias, 3.0)
    faces = torch.rand(1, 1, 8, 8)
    assert resolver.eval()(faces).max() == 1
    torch.testing.assert_close(resolver.train()(faces), faces + 3)


def test_learns_to_sharpen():
    torch.manual_seed(0)
    hr = torch.rand(8, 1, 16, 16)
    lr = F.interpolate(F.avg_pool2d(hr, 2), size=16, mode="bilinear")
    resolver = ImageSuperResolver(in_channels=1, channels=16, blocks=2)
    optimizer = torch.optim.Adam(resolver.parameters(), lr=2e-3)
    start = F.mse_loss(resolver(lr), hr).item()
    for _ in range(60):
        loss = F.mse_loss(resolver(lr), hr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.9 * start

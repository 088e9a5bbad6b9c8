import pytest
import torch

from fsrfer.networks.covpool import CovPoolExtractor, CovPoolHead


def test_paper_sized_shapes():
    torch.manual_seed(0)
    extractor = CovPoolExtractor().eval()
    faces = torch.randn(1, 3, 100, 100)
    with torch.no_grad():
        assert extractor.body(faces).shape == (1, 256, 12, 12)
        feature = extractor(faces)
        logits, embedding, hidden = CovPoolHead().eval()(feature)
    assert feature.shape == (1, *extractor.feature_shape) == (1, 1, 128, 128)
    assert (logits.shape, embedding.shape, hidden.shape) == ((1, 7), (1, 7), (1, 128))


def test_feature_is_a_symmetric_logarithm_within_the_clipped_range():
    torch.manual_seed(0)
    extractor = CovPoolExtractor(widths=(4, 4, 8, 8, 16, 16), bimap_dim=8)
    feature = extractor(torch.randn(2, 3, 40, 40)).squeeze(1)
    torch.testing.assert_close(feature, feature.mT)
    eigenvalues = torch.linalg.eigvalsh(feature).exp()
    assert eigenvalues.min() >= 0.999e-4 and eigenvalues.max() <= 1.001e4


def test_whole_expression_model_learns_two_classes():
    torch.manual_seed(0)
    extractor = CovPoolExtractor(1, widths=(4, 4, 8, 8, 8, 8), bimap_dim=4)
    head = CovPoolHead(16, widths=(16, 8), num_classes=2)
    labels = torch.arange(16) % 2
    stripes = torch.ones(24, 24)
    stripes[::2] = -1
    faces = torch.stack([stripes if label else stripes.T for label in labels])[:, None]
    faces = faces + 0.5 * torch.randn(16, 1, 24, 24)
    optimizer = torch.optim.Adam([*extractor.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(head(extractor(faces)).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2


def test_single_precision_features_under_autocast():
    extractor = CovPoolExtractor(widths=(4, 4, 8, 8, 16, 16), bimap_dim=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        feature = extractor(torch.randn(2, 3, 40, 40))
    assert feature.dtype == torch.float32 and feature.isfinite().all()


def test_six_widths_are_needed():
    with pytest.raises(ValueError, match="six convolutions, not of 2"):
        CovPoolExtractor(widths=(4, 4))

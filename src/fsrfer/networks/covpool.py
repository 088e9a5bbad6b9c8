"""The fixed expression model of FSR-FER: CovPoolFER's body (the extractor E) and its fully connected head.

Reference:
    Acharya et al., "Covariance Pooling for Facial Expression Recognition", CVPRW 2018, arXiv:1805.04855; Li
    et al., "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the
    Wild", CVPR 2017 (the convolutions, DLP-CNN); used as in arXiv:2004.02234.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from fsrfer.networks.expression import ExpressionNetwork
from fsrfer.networks.norm import BatchNorm1d, BatchNorm2d
from fsrfer.networks.spd import BiMap, covariance_pool, log_eig_of_re_eig
from fsrfer.networks.standardize import Standardize

POOLED_AFTER = (0, 1, 3)
"""The convolutions, counted from 0, that 2x2 max pooling follows."""


class CovPoolExtractor(nn.Module):
    """Face to feature: convolutions, covariance pooling, BiMap, ReEig, LogEig.

    Six 3x3 convolutions with batch norm and ReLU; 2x2 max pooling (an odd last row or column is dropped, so
    100 becomes 50, 25, 12) after the first, second and fourth. The convolutions have no bias: batch norm
    would take it away again. The feature is the symmetric logarithm of a covariance matrix, taken as an image
    of one channel.

    Args:
        in_channels: 3 for RGB, 1 for grey.
        widths: channels of the six convolutions.
        bimap_dim: side of the feature.

    Shape:
        N x in_channels x H x W (standardised faces; 100 x 100 in the paper) to N x 1 x bimap_dim x bimap_dim.

    Example:
        >>> import torch
        >>> extractor = CovPoolExtractor(widths=(4, 4, 8, 8, 16, 16), bimap_dim=8)
        >>> extractor(torch.randn(2, 3, 100, 100)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 96, 128, 128, 256, 256),
        bimap_dim: int = 128,
    ) -> None:
        super().__init__()
        if len(widths) != 6:
            raise ValueError(f"widths must name the channels of six convolutions, not of {len(widths)}")
        self.feature_shape = (1, bimap_dim, bimap_dim)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(zip([in_channels, *widths[:-1]], widths, strict=True)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), BatchNorm2d(after), nn.ReLU()]
            if index in POOLED_AFTER:
                layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers)
        self.bimap = BiMap(widths[-1], bimap_dim)

    def forward(self, faces: Tensor) -> Tensor:
        """Features of faces."""
        maps = self.body(faces)  # N x 256 x 12 x 12
        covariance = covariance_pool(maps)  # N x 256 x 256
        compressed = self.bimap(covariance)  # N x 128 x 128
        return log_eig_of_re_eig(compressed).unsqueeze(1)  # N x 1 x 128 x 128


class HeadOutput(NamedTuple):
    """What the head says of a feature.

    Attributes:
        logits: N x num_classes.
        embedding: N x embedding_dim, the vector that the linear SVM takes (after L2 normalisation).
        hidden: N x 128, before its ReLU, where the perceptual loss compares features.
    """

    logits: Tensor
    embedding: Tensor
    hidden: Tensor

    @property
    def log2_px(self) -> None:
        """This network does not estimate the effective size."""
        return


class CovPoolHead(nn.Module):
    """Feature to expression: flatten, 2000, 128, 7 (the embedding), 7 logits.

    Batch norm follows every layer but the last, and ReLU the first two; the embedding keeps its sign, as in
    CovPoolFER, whose layers these are.

    Args:
        in_features: numbers in a feature.
        widths: of the two hidden layers; the second is ``hidden``.
        embedding_dim: width of the embedding.
        num_classes: number of logits.

    Shape:
        N x ... (``in_features`` numbers each) to a `HeadOutput`.

    Example:
        >>> import torch
        >>> head = CovPoolHead(in_features=64, widths=(32, 16))
        >>> logits, embedding, hidden = head(torch.randn(2, 1, 8, 8))
        >>> logits.shape, embedding.shape, hidden.shape
        (torch.Size([2, 7]), torch.Size([2, 7]), torch.Size([2, 16]))
    """

    def __init__(
        self,
        in_features: int = 128 * 128,
        widths: tuple[int, int] = (2000, 128),
        embedding_dim: int = 7,
        num_classes: int = 7,
    ) -> None:
        super().__init__()
        first, second = widths
        self.to_hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_features, first, bias=False),
            BatchNorm1d(first),
            nn.ReLU(),
            nn.Linear(first, second, bias=False),
            BatchNorm1d(second),
        )
        self.to_embedding = nn.Sequential(
            nn.ReLU(), nn.Linear(second, embedding_dim, bias=False), BatchNorm1d(embedding_dim)
        )
        self.to_logits = nn.Linear(embedding_dim, num_classes)

    def forward(self, feature: Tensor) -> HeadOutput:
        """Logits, embedding and hidden layer of features."""
        hidden = self.to_hidden(feature)  # N x 128
        embedding = self.to_embedding(hidden)  # N x 7
        return HeadOutput(self.to_logits(embedding), embedding, hidden)


class CovPoolModel(ExpressionNetwork):
    """Extractor and head as one classifier; once trained it is the fixed model that generators learn to serve.

    Args:
        extractor: faces to features.
        head: features to logits.

    Shape:
        N x C x H x W (faces, values 0..255) to N x num_classes (logits).

    Example:
        >>> import torch
        >>> extractor = CovPoolExtractor(1, widths=(4, 4, 8, 8, 16, 16), bimap_dim=8)
        >>> model = CovPoolModel(extractor, CovPoolHead(64, widths=(16, 8)))
        >>> model.eval()(torch.rand(2, 1, 48, 48) * 255).shape
        torch.Size([2, 7])
    """

    def __init__(self, extractor: CovPoolExtractor, head: CovPoolHead) -> None:
        super().__init__()
        self.standardize, self.extractor, self.head = Standardize(), extractor, head

    def features(self, faces: Tensor) -> Tensor:
        """Features of faces (values 0..255): N x 1 x bimap_dim x bimap_dim."""
        features: Tensor = self.extractor(self.standardize(faces))
        return features

    def analyse(self, faces: Tensor) -> HeadOutput:
        """Logits, embedding and hidden layer of faces."""
        output: HeadOutput = self.head(self.features(faces))
        return output

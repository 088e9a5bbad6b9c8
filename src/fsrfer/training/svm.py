"""The paper's final classifier: a linear SVM on L2-normalised embeddings, kept as plain tensors."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from torch.nn import functional as F


class LinearSvm(nn.Module):
    """Decision values of a linear SVM, one against the rest.

    Args:
        embedding_dim: numbers in an embedding.
        num_classes: number of classes.

    Shape:
        N x embedding_dim (not yet normalised) to N x num_classes.
    """

    def __init__(self, embedding_dim: int = 7, num_classes: int = 7) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_dim, num_classes)

    def forward(self, embedding: Tensor) -> Tensor:
        """Decision values; the largest is the answer."""
        values: Tensor = self.linear(F.normalize(embedding.float(), dim=1))
        return values

    @torch.no_grad()
    def fit(self, embeddings: NDArray[np.float32], labels: NDArray[np.int64], c: float, seed: int) -> None:
        """Fit on training embeddings; a class without a face keeps a value that never wins.

        Args:
            embeddings: N x embedding_dim.
            labels: N.
            c: penalty of the SVM.
            seed: of the solver.
        """
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True).clip(1e-12)
        solver = LinearSVC(C=c, random_state=seed, max_iter=5000).fit(unit, labels)
        weight, bias = solver.coef_, solver.intercept_
        if len(solver.classes_) == 2:  # the solver gives one row for two classes
            weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
        self.linear.weight.zero_()
        self.linear.bias.fill_(-1e6)
        self.linear.weight[solver.classes_] = torch.from_numpy(weight).float()
        self.linear.bias[solver.classes_] = torch.from_numpy(bias).float()

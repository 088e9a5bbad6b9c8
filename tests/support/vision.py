"""How colours look to people with a colour vision deficiency, and how far apart they then are."""

import numpy as np
from numpy.typing import NDArray

NORMAL = np.eye(3)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
TRITANOPIA = np.array(
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
)
"""Machado, Oliveira and Fernandes, IEEE TVCG 2009, severity 1, for linear RGB."""

_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def distances(colours: list[str], sight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances in CIELAB (CIE 1976) between all pairs of colours written as ``#RRGGBB``, as seen."""
    values = np.array([[int(colour[index : index + 2], 16) for index in (1, 3, 5)] for colour in colours]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    lab = _lab(np.clip(linear @ sight.T, 0, 1))
    first, second = np.triu_indices(len(colours), 1)
    return np.asarray(np.linalg.norm(lab[first] - lab[second], axis=1))


def _lab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = (linear @ _XYZ.T) / _XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)

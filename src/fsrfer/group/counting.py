"""Plain counts of a group: what was answered, and how often, with nothing corrected."""

from collections.abc import Sequence

import numpy as np

from fsrfer.labels import EXPRESSIONS, by_name
from fsrfer.types import Face, Group


def count_group(faces: Sequence[Face]) -> Group:
    """All faces of a photo or frame together; see `Group`."""
    large = [face for face in faces if not face.too_small]
    shares = [float(np.mean([face.expression == name for face in large])) if large else 0.0 for name in EXPRESSIONS]
    means = [float(np.mean([face.probabilities[name] for face in large])) if large else 0.0 for name in EXPRESSIONS]
    return group_of(len(faces), sum(not face.certain for face in faces), len(faces) - len(large), shares, means)


def group_of(
    faces: int, uncertain: int, too_small: int, shares: Sequence[float], mean_probabilities: Sequence[float]
) -> Group:
    """A group from its figures, as they are written: to six places, by name."""
    return Group(
        faces=faces,
        uncertain=uncertain,
        too_small=too_small,
        shares={name: round(value, 6) for name, value in by_name(shares).items()},
        mean_probabilities={name: round(value, 6) for name, value in by_name(mean_probabilities).items()},
    )

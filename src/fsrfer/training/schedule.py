"""Learning-rate schedules as functions of the step."""

import math
from collections.abc import Sequence

from torch.optim import Optimizer


def warmup_cosine(step: int, warmup_steps: int, max_steps: int) -> float:
    """Factor on the learning rate: rises linearly, then falls along half a cosine towards zero.

    Example:
        >>> [round(warmup_cosine(step, 2, 10), 3) for step in (0, 1, 2, 6)]
        [0.5, 1.0, 1.0, 0.5]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, max_steps - warmup_steps)))


def step_decay(step: int, milestones: Sequence[int], decay: float) -> float:
    """Factor on the learning rate: multiplied by ``decay`` at each milestone that was reached.

    Example:
        >>> [step_decay(step, [2, 4], 0.5) for step in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return float(decay ** sum(step >= milestone for milestone in milestones))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every group of parameters the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate

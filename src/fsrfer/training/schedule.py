"""Learning-rate schedules as functions of the step."""

import math


def warmup_cosine(step: int, warmup_steps: int, max_steps: int) -> float:
    """Factor on the learning rate: rises linearly, then falls along half a cosine towards zero.

    Example:
        >>> [round(warmup_cosine(step, 2, 10), 3) for step in (0, 1, 2, 6)]
        [0.5, 1.0, 1.0, 0.5]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, max_steps - warmup_steps)))

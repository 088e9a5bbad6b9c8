"""When a whole frame is searched for faces; in between they are looked for only where they should be.

It follows from times alone, those of the video, so that it never depends on how fast the machine is.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is looked at: its ``time``, and the ``step`` since the frame before, 0 for the first; in seconds."""

    time: float
    step: float


def is_whole_due(moment: Moment, whole: float | None, longest: float) -> bool:
    """Whether a frame must be searched whole, because at the next one too much time might have passed.

    Args:
        moment: of the frame.
        whole: time of the last frame that was searched whole, in seconds; None before the first.
        longest: between two searches of whole frames, in seconds.
    """
    return whole is None or moment.time + moment.step - whole > longest + 1e-6

"""How much work a video's frames are worth: the trade-off between speed and care, by name."""

from dataclasses import dataclass

from fsrfer.errors import InputError


@dataclass(frozen=True, slots=True)
class Quality:
    """When to search a whole frame, and when to recognise a face again. All in seconds of the video, never of the machine.

    Attributes:
        whole: longest time between two searches of whole frames; in between only places where faces should be are searched.
            0 searches every frame that is looked at.
        answer: time after which a face that is certain is recognised again by a large network (`rationing.LARGE`); 0
            recognises every face in every frame.
        answers: how many certain faces are recognised again in a second at most, by such a network.
        both_views: whether a face and its mirror image are recognised at once where the model averages them, or in turn.
    """

    whole: float
    answer: float
    answers: float
    both_views: bool


QUALITIES = {
    "fast": Quality(whole=0.5, answer=2.4, answers=50.0, both_views=False),
    "balanced": Quality(whole=0.5, answer=1.6, answers=75.0, both_views=False),
    "best": Quality(whole=0.0, answer=0.0, answers=0.0, both_views=True),
}
"""What can be chosen."""

DEFAULT = "balanced"


def quality_of(name: str) -> Quality:
    """The quality of a name.

    Raises:
        InputError: there is none of this name.
    """
    if name not in QUALITIES:
        raise InputError(f"quality {name!r}: choose one of {', '.join(QUALITIES)}")
    return QUALITIES[name]

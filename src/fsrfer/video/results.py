"""What comes out of a frame of a video, as plain data: comparable, picklable, sendable to another process."""

from dataclasses import dataclass, field
from typing import Any

from fsrfer.group.counting import count_group
from fsrfer.output.rows import face_to_dict, rounded
from fsrfer.types import Box, Expression, Face, Group, UInt8Image


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """One face in one frame.

    Attributes:
        track: the face's number in this video, counted from 1.
        face: where it is and how large in this frame, and its answer pooled over the last frames.
        frame_answer: what this frame alone says, or the last frame in which the face was recognised.
        detected: False where the box is predicted rather than found.
        recognised: whether the face was recognised in this frame; else its answer stands from before.
    """

    track: int
    face: Face
    frame_answer: Expression
    detected: bool
    recognised: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The face as plain values that JSON can hold."""
        return {
            "track": self.track,
            "detected": self.detected,
            **face_to_dict(self.face),
            "frame_expression": self.frame_answer.expression,
            "frame_probability": rounded(self.frame_answer.probability),
            "recognised": self.recognised,
        }


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All faces of one frame.

    Attributes:
        time: seconds since the video's first frame.
        width, height: of the frame in pixels.
        faces: best detection first.
        hidden: where faces should be that were seen a moment ago and not now.
        rgb: the frame, if it was asked for.
    """

    time: float
    width: int
    height: int
    faces: tuple[TrackedFace, ...]
    hidden: tuple[Box, ...] = ()
    rgb: UInt8Image | None = field(default=None, repr=False, compare=False)

    @property
    def group(self) -> Group:
        """Plain counts of the faces in this frame, by their pooled answers."""
        return count_group([tracked.face for tracked in self.faces])

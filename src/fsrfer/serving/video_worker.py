"""``python -m fsrfer.serving.video_worker``: the process that watches one video of a stranger, and ends.

It is told what to do on its command line, and writes how far it is and its result to standard output (`wire`).
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fsrfer.errors import FsrferError, InputError
from fsrfer.serving import wire
from fsrfer.serving.worker import own_streams, restrict
from fsrfer.video.session import VideoSession
from fsrfer.video.settings import VideoSettings

EVERY = 0.5
"""Seconds between two words on how far it is."""

MEMORY = 2 * 2**30
"""Bytes that watching a video may take."""


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """What is watched, and how.

    Attributes:
        source: the path of the video.
        name: what it is called in the result.
        longest: seconds of video that are watched at most.
        every, aggregate_only, min_group, model, detector, min_face: as in `VideoSettings`.
    """

    source: str
    name: str
    longest: float
    every: float
    aggregate_only: bool
    min_group: int
    model: str
    detector: str
    min_face: float

    def command(self) -> list[str]:
        """The process's command line."""
        return [sys.executable, "-m", "fsrfer.serving.video_worker", json.dumps(asdict(self))]

    def settings(self) -> VideoSettings:
        """As a run without output."""
        return VideoSettings(
            source=self.source,
            every=self.every,
            aggregate_only=self.aggregate_only,
            min_group=self.min_group,
            model=self.model,
            detector=self.detector,
            threads=1,
            min_face=self.min_face,
        )


def main() -> int:
    """Watch the video of the command line."""
    _, sink = own_streams()
    plan = VideoPlan(**json.loads(sys.argv[1]))
    try:
        with VideoSession(plan.settings()) as session:
            restrict(MEMORY)
            if (session.clip.duration or 0) > plan.longest:
                raise InputError(f"the video is longer than {plan.longest:g} s; send a part of it")
            said = 0.0
            for frames, result in enumerate(session.results(), start=1):
                if result.time > plan.longest:
                    raise InputError(f"the video is longer than {plan.longest:g} s; send a part of it")
                if time.monotonic() - said > EVERY:
                    said = time.monotonic()
                    fields = {"frames": frames, "read_to": result.time, "duration": session.clip.duration}
                    wire.write(sink, wire.Message(fields))
            told = session.finish().to_dict()
    except FsrferError as error:
        wire.write(sink, wire.Message({"error": str(error).replace(plan.source, plan.name)}))
        return 2
    own = {"source": plan.name, "detector": Path(plan.detector).name}
    wire.write(sink, wire.Message({}, [json.dumps({**told, **own}).encode()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What users and their programs rely on, frozen to the letter in ``interface.json``.

A difference is a change for every user: if it is meant, it belongs in the changelog, and
``python tests/architecture/test_interface.py`` writes the file anew.
"""

import argparse
import importlib
import json
import sys
from dataclasses import fields
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import fsrfer
from fsrfer.cli.main import COMMANDS
from fsrfer.group.estimate import estimate
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.output.rows import CROP_COLUMNS, FACE_COLUMNS
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.scoring import Progress, ScoringResult, Settings, score
from fsrfer.scoring.schema import FACE_COLUMNS as SCORED_FACE_COLUMNS
from fsrfer.scoring.schema import GROUP_COLUMNS as SCORED_GROUP_COLUMNS
from fsrfer.scoring.schema import PHOTO_COLUMNS
from fsrfer.types import Expression, Face, Group
from fsrfer.video.live import Lost, Returned
from fsrfer.video.live_results import LiveFrame, LiveLine, LiveWindow, event_of
from fsrfer.video.recorder import FACE_COLUMNS as VIDEO_FACE_COLUMNS
from fsrfer.video.results import FrameResult, TrackedFace
from fsrfer.video.summary import RunIdentity, VideoSummary, Work
from fsrfer.video.windows import GROUP_COLUMNS, ClosedWindow

RESULTS = (Face, Group, Expression, CropResult, FrameResult, TrackedFace)

KEPT = Path(__file__).with_name("interface.json")


def interface() -> dict[str, Any]:
    """Everything that is frozen here, as plain values."""
    return {
        "names": sorted(fsrfer.__all__),
        "recognizer": parameters_of(fsrfer.Recognizer),
        "video recognizer": parameters_of(fsrfer.VideoRecognizer),
        "fields": {kind.__name__: [field.name for field in fields(kind)] for kind in RESULTS},
        "photo result": [field.name for field in fields(PhotoResult)] + methods(PhotoResult),
        "commands": {name: {"summary": summary, "options": options(name)} for name, summary in COMMANDS.items()},
        "scoring": {
            "score": parameters(score),
            **{kind.__name__: [field.name for field in fields(kind)] for kind in (Settings, ScoringResult, Progress)},
        },
        "columns": {
            "predict": list(FACE_COLUMNS),
            "classify": list(CROP_COLUMNS),
            "video faces": list(VIDEO_FACE_COLUMNS),
            "video group": list(GROUP_COLUMNS),
            "scored photos": list(PHOTO_COLUMNS),
            "scored faces": list(SCORED_FACE_COLUMNS),
            "scored groups": list(SCORED_GROUP_COLUMNS),
        },
        "json": {
            "photo": keys(photo().to_dict()),
            "crop": keys(CropResult("a.png", answer()).to_dict()),
            "summary": keys(summary().to_dict()),
            **{f"live {name}": keys(line.to_dict()) for name, line in live_lines().items()},
        },
    }


def methods(kind: type) -> list[str]:
    return sorted(name for name in vars(kind) if callable(getattr(kind, name)) and not name.startswith("_"))


def parameters_of(kind: type) -> dict[str, list[str]]:
    return {name: parameters(getattr(kind, name)) for name in ("__init__", *methods(kind))}


def parameters(function: Any) -> list[str]:
    return [
        name if one.default is Parameter.empty else f"{name}={one.default!r}"
        for name, one in signature(function).parameters.items()
        if name != "self"
    ]


def options(command: str) -> dict[str, str]:
    """Flags of a command (or the names of what stands without), each with what it takes."""
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"fsrfer.cli.{command}").add_arguments(parser)
    told = {}
    for action in parser._actions:
        facts = {
            "nargs": action.nargs,
            "default": None if action.default is None else str(action.default),
            "choices": list(action.choices) if action.choices else None,
            "required": action.required or None,
        }
        told[" ".join(action.option_strings) or action.dest] = ", ".join(
            f"{name} {value}" for name, value in facts.items() if value is not None
        )
    return told


def answer() -> Expression:
    return Expression(40.0, "happiness", 0.9, {"happiness": 0.9, "neutral": 0.1}, True, 30.0)


def photo() -> PhotoResult:
    probabilities = dict.fromkeys(EXPRESSIONS, 1 / 7)
    face = Face((0, 0, 10, 10), 0.9, ((1.0, 2.0),) * 5, 10.0, "anger", 1 / 7, probabilities, False)
    info = ModelInfo("m", "1", tuple(probabilities), 48, "grey", 0.0)
    shares = dict.fromkeys(probabilities, 0.0)
    return PhotoResult("a.jpg", 100, 80, (face,), Group(1, 1, 0, shares, shares), info=info)


def summary() -> VideoSummary:
    tally = photo().tally()
    info = ModelInfo("m", "1", EXPRESSIONS, 48, "grey", 0.0)
    return VideoSummary(
        run=RunIdentity(*[None] * len(fields(RunIdentity))),
        duration=None,
        read_to=0.0,
        stopped=None,
        **dict.fromkeys(("damaged_parts", "corrupt_frames", "missing_seconds", "clock_jumps"), 0),
        **dict.fromkeys(("frames", "tracks", "windows", "windows_withheld", "sightings"), 0),
        group=tally.group,
        estimate=estimate(tally, info),
        sizes_px=tally.by_size,
        work=Work(0.0, {}, 0),
    )


def live_lines() -> dict[str, LiveLine]:
    window, shown = summary(), photo()
    closed = ClosedWindow(0.0, 5.0, 1, 1.0, window.group, window.estimate)
    frame = FrameResult(0.0, 100, 80, (TrackedFace(1, shown.faces[0], answer(), True),))
    return {
        "frame": LiveFrame("0", 0.0, frame, 0.1, 0),
        "window": LiveWindow("0", 0.0, closed, 0.1, 0),
        "lost": event_of("0", 0.0, Lost(1.0, "the stream ended")),
        "returned": event_of("0", 0.0, Returned(2.0, 1.0, 1, 100, 80, False)),
    }


def keys(value: Any) -> Any:
    """The keys of nested dictionaries; of a list what its first item has."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else type(value).__name__


def test_nothing_that_users_rely_on_has_changed() -> None:
    kept, now = json.loads(KEPT.read_text(encoding="utf-8")), json.loads(json.dumps(interface()))
    assert now.keys() == kept.keys()
    for part, value in kept.items():
        assert now[part] == value, part


if __name__ == "__main__":
    KEPT.write_text(json.dumps(interface(), indent=1) + "\n", encoding="utf-8")
    sys.exit(0)

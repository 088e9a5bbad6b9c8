"""The results of a run over photos, kept one by one beside its output, so that a run that was killed loses none.

The journal is JSON Lines: first what the run was asked for, then each photo that was looked at, with every digit. A resumed run
takes from it the photos whose files have not changed since; what is written comes from results, so it is the same.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from fsrfer.errors import InputError
from fsrfer.files import locked_file
from fsrfer.group.estimate import estimate_group
from fsrfer.model_file import ModelInfo
from fsrfer.photo.results import PhotoResult
from fsrfer.types import Face

SUFFIX = ".progress"


class Journal:
    """The journal of one run; use it in a ``with`` block, which keeps the file until `finish`."""

    def __init__(self, output: Path, asked: Mapping[str, Any], *, resume: bool = False, overwrite: bool = False):
        """Begin a journal, or take up one that was left.

        Args:
            output: that the run writes when all is done; the journal lies beside it.
            asked: the model and options that results depend on; a run is resumed only with the same.
            resume: whether to resume a run that was stopped.
            overwrite: whether one that was stopped may be thrown away.

        Raises:
            InputError: there is nothing to resume, the options differ, another run writes there, or it cannot be written.
        """
        self.path = output.with_name(output.name + SUFFIX)
        if resume and not self.path.is_file():
            raise InputError(f"{output}: no unfinished run here; start without --resume")
        self._held = ExitStack()
        self._stream: BinaryIO | None = None
        self._done: dict[str, dict[str, Any]] = {}
        self._held.enter_context(locked_file(output))
        try:
            self._open(output, asked, resume, overwrite)
        except OSError as error:
            self.close()
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def result(self, source: str, info: ModelInfo, device: str) -> PhotoResult | None:
        """The result of a photo that was looked at before, unless its file has changed since."""
        kept = self._done.get(source)
        if kept is None or kept["stamp"] != _stamp(source):
            return None
        faces = tuple(_face(values) for values in kept["faces"])
        picture = Path(source).absolute()
        group = estimate_group(faces, info)
        return PhotoResult(
            source, kept["width"], kept["height"], faces, group, picture=picture, info=info, device=device
        )

    def add(self, result: PhotoResult) -> None:
        """Keep a result; one that failed is tried again by a resumed run, so it is not kept.

        Raises:
            InputError: it cannot be written.
        """
        if result.error is not None:
            return
        faces = [asdict(face) for face in result.faces]
        values = {"source": result.source, "width": result.width, "height": result.height, "faces": faces}
        self._append({**values, "stamp": _stamp(result.source)})

    def finish(self) -> None:
        """The output is whole: the journal is needed no more."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the file go; it stays, to be resumed."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._held.close()

    def _open(self, output: Path, asked: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        if self.path.is_file() and not resume and not overwrite:
            raise InputError(
                f"{output}: a run that was stopped left {self.path.name}; resume it with --resume, or add --overwrite"
            )
        length = self._read(asked) if resume else 0
        self._stream = self.path.open("r+b" if length else "wb")
        self._stream.truncate(length)
        self._stream.seek(length)
        if not length:
            self._append({"asked": asked})

    def _read(self, asked: Mapping[str, Any]) -> int:
        """Take in what was kept; returns how far it is whole: a kill may have cut its last line."""
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    values = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    values = None
                if not isinstance(values, dict):
                    break
                if whole == 0:
                    self._require_same(values.get("asked"), json.loads(json.dumps(asked)))
                else:
                    self._done[str(values["source"])] = values
                whole += len(line)
        return whole

    def _require_same(self, before: Any, now: Mapping[str, Any]) -> None:
        if not isinstance(before, dict):
            raise InputError(f"{self.path}: not the journal of a run; remove it, and start again without --resume")
        if changed := [name for name in now if before.get(name) != now[name]]:
            raise InputError(
                f"{self.path}: cannot be resumed with other settings ({', '.join(changed)}); "
                "use the same ones, or start again with --overwrite"
            )

    def _append(self, values: Mapping[str, Any]) -> None:
        assert self._stream is not None
        try:
            self._stream.write(json.dumps(values).encode() + b"\n")
            self._stream.flush()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from error


def _stamp(source: str) -> Sequence[int] | None:
    """What tells whether a file is still the same: its size and when it was written."""
    try:
        status = Path(source).stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _face(values: Mapping[str, Any]) -> Face:
    points = values["landmarks"]
    return Face(**{**values, "box": tuple(values["box"]), "landmarks": points and tuple((x, y) for x, y in points)})

"""What comes out of a photo or a crop, as plain data: comparable, picklable, sendable to another process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from fsrfer import images
from fsrfer.errors import InputError
from fsrfer.group.counting import count_group
from fsrfer.group.estimate import Tally, estimate
from fsrfer.model_file import ModelInfo
from fsrfer.output import exchange
from fsrfer.output.annotation import annotate, pixelate
from fsrfer.output.rows import CROP_COLUMNS, FACE_COLUMNS, Row, crop_to_dict, face_row, face_to_dict
from fsrfer.types import Expression, Face, Group, GroupEstimate, UInt8Image

if TYPE_CHECKING:
    import pandas
    import supervision


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """All faces of one photo.

    Attributes:
        source: the path as given, or a name for a picture without one.
        width, height: of the upright photo in pixels; None if it could not be decoded.
        faces: most prominent detection first.
        group: their plain counts, and in ``group.estimate`` what can be said of them.
        error: None, or one line on why the photo could not be looked at.
        picture: what `annotated` draws on: the path of a file, which is read again, or the pixels themselves
            (height x width x 3 bytes); None where nothing is kept.
        info: of the model that looked at it.
        device: that the networks ran on, such as ``cpu``; None where nothing looked at it.
    """

    source: str
    width: int | None
    height: int | None
    faces: tuple[Face, ...]
    group: Group
    error: str | None = None
    picture: UInt8Image | Path | None = field(default=None, repr=False, compare=False)
    info: ModelInfo | None = field(default=None, repr=False, compare=False)
    device: str | None = field(default=None, compare=False)

    @classmethod
    def failed(cls, source: str, error: str, size: tuple[int, int] | None = None) -> "PhotoResult":
        """The result of a photo (``size`` is its width and height, if known) that could not be looked at."""
        width, height = size or (None, None)
        return cls(source, width, height, (), count_group(()), error)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values that JSON can hold."""
        return {
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "error": self.error,
            "device": self.device,
            "faces": [face_to_dict(face) for face in self.faces],
            "group": self.group.to_dict(),
            "estimate": None if self.info is None else self.estimate().to_dict(),
        }

    def tally(self) -> Tally:
        """The faces, to be summed up with those of other photos."""
        return Tally.of(self.faces)

    def estimate(self) -> GroupEstimate:
        """``group.estimate``: shares with 95% intervals that honour how uncertain each face is, corrected for the model's
        known confusion; of fewer than five faces the mean of their probabilities, without intervals.

        Raises:
            InputError: the result was not made by a model.
        """
        if self.group.estimate is not None:
            return self.group.estimate
        if self.info is None:
            raise InputError(f"{self.source}: no model looked at it, so nothing can be estimated")
        return estimate(self.tally(), self.info)

    def to_rows(self) -> list[Row]:
        """One flat row a face, by `FACE_COLUMNS`; a single row without a face where there is none."""
        head = {"source": self.source, "width": self.width, "height": self.height, "error": self.error}
        blank: Row = dict.fromkeys(FACE_COLUMNS)
        rows = [{**blank, **head, "face": number, **face_row(face)} for number, face in enumerate(self.faces)]
        return rows or [{**blank, **head}]

    def to_dataframe(self, names: Literal["fsrfer", "py-feat"] = "fsrfer") -> "pandas.DataFrame":
        """One row a face; no row for a photo without faces. Needs pandas.

        Args:
            names: of the columns: `FACE_COLUMNS`, or those that py-feat gives its faces.

        Raises:
            InputError: no such set of names.
        """
        if names == "fsrfer":
            return exchange.to_dataframe(self.to_rows() if self.faces else [])
        if names == "py-feat":
            return exchange.to_py_feat(self.faces, self.source)
        raise InputError(f"names must be 'fsrfer' or 'py-feat', not {names!r}")

    def to_supervision(self) -> "supervision.Detections":
        """The faces as ``supervision.Detections``: ``data`` has one array a column, ``class_id`` counts `EXPRESSIONS`.

        Needs supervision (the extra ``supervision``).
        """
        return exchange.to_supervision(self.faces)

    def annotated(self, blur: bool = False) -> Image.Image:
        """The photo with boxes, labels and certainty drawn, enlarged if its faces are tiny.

        Args:
            blur: whether each face found is pixelated.

        Raises:
            InputError: no picture was kept, or its file is gone since.
        """
        rgb = pixels_of(self)
        return annotate(pixelate(rgb, [face.box for face in self.faces]) if blur else rgb, self.faces)

    def _repr_html_(self) -> str:
        return exchange.to_html(self.source, self.error, self.faces, self._repr_png_())

    def _repr_png_(self) -> bytes | None:
        try:
            return exchange.to_png(self.annotated())
        except InputError:
            return None


def pixels_of(result: PhotoResult) -> UInt8Image:
    """A result's photo, height x width x 3, read again where its file was kept.

    Raises:
        InputError: no picture was kept, or its file is gone since.
    """
    if result.picture is None:
        raise InputError(f"{result.source}: there is no picture to draw on")
    if not isinstance(result.picture, Path):
        return result.picture
    # A photo that could be decoded once may be decoded again.
    return images.load_rgb(result.picture, max(images.MAX_PIXELS, (result.width or 0) * (result.height or 0)))


@dataclass(frozen=True, slots=True)
class CropResult:
    """The answer for one face crop: an expression, or else an error of one line; and what the networks ran on."""

    file: str
    expression: Expression | None
    error: str | None = None
    device: str | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values that JSON can hold; most are None where it failed."""
        return {**crop_to_dict(self.file, self.expression, self.error), "device": self.device}

    def to_rows(self) -> list[Row]:
        """The answer as one flat row, by `CROP_COLUMNS`."""
        row = crop_to_dict(self.file, self.expression, self.error)
        probabilities = row.pop("probabilities") or {}
        return [{**dict.fromkeys(CROP_COLUMNS), **row, **probabilities}]

"""The small legend of an annotated picture: what each colour and outline means, and how many faces have it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.colours import COLOURS
from fsrfer.output.outline import TOO_SMALL, Outline
from fsrfer.output.placing import Ground
from fsrfer.types import Box, Face

_BACKGROUND, _TEXT = "#262626", "#FFFFFF"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: its text, and the outline that it explains."""

    text: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Legend:
    """Lines of text, each with a sample of an outline, in columns of equal width."""

    entries: Sequence[Entry]
    font: ImageFont.FreeTypeFont

    @classmethod
    def of(cls, faces: Sequence[Face], font: ImageFont.FreeTypeFont) -> "Legend":
        """A legend of all faces of a picture; the most frequent expression comes first."""
        told = [face for face in faces if not face.too_small]
        counts = Counter(face.expression for face in told)
        names = sorted(counts, key=lambda name: (-counts[name], EXPRESSIONS.index(name)))
        entries = [Entry(_counted(name, told), COLOURS[name]) for name in names]
        uncertain = sum(not face.certain for face in told)
        if uncertain:
            entries.append(Entry(f"uncertain {uncertain:,}", _TEXT, dashed=True))
        if len(told) < len(faces):
            entries.append(Entry(f"too small {len(faces) - len(told):,}", TOO_SMALL, dashed=True))
        return cls(entries, font)

    def place(self, ground: Ground) -> Box | None:
        """Where it is free to stand, in one column, a row, or anything between; None if nowhere."""
        for columns in self._shapes():
            if place := ground.free_box(self._size(columns)):
                return place
        return None

    def draw(self, draw: ImageDraw.ImageDraw, place: Box) -> None:
        """Draw it into a place as wide as one of its shapes."""
        draw.rounded_rectangle(place, radius=self._pad, fill=_BACKGROUND)
        columns = max(1, int((place[2] - place[0]) // self._column))
        rows = -(-len(self.entries) // columns)
        for index, entry in enumerate(self.entries):
            x = place[0] + self._pad + (index // rows) * self._column
            y = place[1] + self._pad + (index % rows) * self._line
            self._draw_entry(draw, entry, x, y)

    def below(self, picture: Image.Image) -> Image.Image:
        """The picture with the legend in a strip below it, as wide as the picture or one column."""
        columns = next((shape for shape in self._shapes(widest=True) if self._size(shape)[0] <= picture.width), 1)
        width, height = self._size(columns)
        whole = Image.new("RGB", (max(picture.width, int(width)), picture.height + int(height)), _BACKGROUND)
        whole.paste(picture, (0, 0))
        self.draw(ImageDraw.Draw(whole), (0, picture.height, width, picture.height + height))
        return whole

    @property
    def _pad(self) -> int:
        return round(self.font.size * 0.5)

    @property
    def _line(self) -> int:
        return round(self.font.size * 1.5)

    @property
    def _column(self) -> int:
        """Width of a column: sample, text and the space after it."""
        return round(max(self.font.getlength(entry.text) for entry in self.entries) + 2.5 * self.font.size)

    def _shapes(self, widest: bool = False) -> Iterator[int]:
        """Numbers of columns, without those that leave one empty."""
        count = len(self.entries)
        shapes = sorted({-(-count // rows) for rows in range(1, count + 1)}, reverse=widest)
        yield from shapes

    def _size(self, columns: int) -> tuple[float, float]:
        rows = -(-len(self.entries) // columns)
        return (columns * self._column + 2 * self._pad, rows * self._line + 2 * self._pad)

    def _draw_entry(self, draw: ImageDraw.ImageDraw, entry: Entry, x: float, y: float) -> None:
        side = self.font.size
        top = y + (self._line - side) / 2
        width = max(1, round(side / 9))
        sample = Outline((x + 2, top, x + side, top + side - 2), entry.colour, width, entry.dashed)
        sample.draw_rim(draw)
        sample.draw(draw)
        draw.text((x + 1.6 * side, y + self._line / 2), entry.text, fill=_TEXT, font=self.font, anchor="lm")


def text_of(face: Face) -> str:
    """A face's answer in a few words."""
    if face.too_small:
        return "too small"
    return f"{face.expression}{'' if face.certain else '?'} {face.probability * 100:.0f}%"


def _counted(name: str, faces: Sequence[Face]) -> str:
    """How many show an expression; what is known of a single one."""
    shown = [face for face in faces if face.expression == name]
    return text_of(shown[0]) if len(shown) == 1 else f"{name} {len(shown):,}"

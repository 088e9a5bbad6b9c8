"""Outlines of faces, which read on any background and leave the face itself to be seen."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ImageDraw

from fsrfer.output.colours import COLOURS, DARK, LIGHT, luminance
from fsrfer.types import Box, Face

TOO_SMALL = "#000000"
"""Of a face of which no expression is told."""

SHORTEST_DASH = 2.5
"""In widths of the line."""

MOST_DASHES = 9
"""Dashes and gaps along a side together."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A line around a face, outside its box, between two rims of the opposite lightness.

    Dashes shrink with the face, to its four corners at the least, so that they can be told from a whole line at 8 pixels.

    Attributes:
        box: of the face, ``xyxy`` in the drawing.
        colour: of the line.
        width: of the line, in whole pixels.
        dashed: whether there are gaps in it.
    """

    box: Box
    colour: str
    width: int
    dashed: bool

    @classmethod
    def of(cls, face: Face, zoom: int, width: int) -> "Outline":
        """The outline of a face in a picture enlarged ``zoom`` times, no thicker than ``width``, thinner at small faces."""
        x1, y1, x2, y2 = (round(value * zoom) for value in face.box)
        fitting = max(1, min(width, round(min(x2 - x1, y2 - y1) / 12)))
        colour = TOO_SMALL if face.too_small else COLOURS[face.expression]
        return cls((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)), colour, fitting, not face.certain)

    @property
    def covered(self) -> Box:
        """All that the face and its outline take."""
        return self._around(self.width + 1)

    def draw_rim(self, draw: ImageDraw.ImageDraw) -> None:
        """Draw what is below the line; it comes first, so that it hides no neighbour's line."""
        rim = DARK if luminance(self.colour) > luminance(TOO_SMALL) else LIGHT
        if not self.dashed:
            draw.rectangle(self.covered, outline=rim, width=self.width + 2)
            return
        for x1, y1, x2, y2 in self._dashes():
            draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), fill=rim)

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        """Draw the line."""
        if not self.dashed:
            draw.rectangle(self._around(self.width), outline=self.colour, width=self.width)
            return
        for dash in self._dashes():
            draw.rectangle(dash, fill=self.colour)

    def _around(self, distance: float) -> Box:
        """The box that far outside the face; the last pixels belong to it."""
        x1, y1, x2, y2 = self.box
        return (x1 - distance, y1 - distance, x2 + distance - 1, y2 + distance - 1)

    def _dashes(self) -> Iterator[Box]:
        x1, y1, x2, y2 = self._around(self.width)
        thick = self.width - 1
        for start, end in self._steps(x1, x2):
            yield from ((start, y, end, y + thick) for y in (y1, y2 - thick))
        for start, end in self._steps(y1, y2):
            yield from ((x, start, x + thick, end) for x in (x1, x2 - thick))

    def _steps(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """Dashes along a side, from corner to corner, in whole pixels; gaps are as long as dashes."""
        length = end - start + 1
        count = int(length / (SHORTEST_DASH * self.width))
        count = max(3, min(count - (count + 1) % 2, MOST_DASHES))
        step = length / count
        dash = max(1, round(step))
        for index in range(0, count, 2):
            first = round(start + index * step) if index < count // 2 else round(end + 1 - (count - index) * step)
            yield first, min(first + dash - 1, end)

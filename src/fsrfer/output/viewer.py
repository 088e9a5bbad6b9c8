"""Pictures and their faces as a page can show them: chosen, made small enough, and put into one JSON document.

The component is `SCRIPTS` with ``viewer.css`` in ``templates/``; ``fsrferViewer.mount(element, document)`` fills any
element of any page with it. `Viewer.document` is the document, and all that the component needs.
"""

import base64
import heapq
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.colours import COLOURS
from fsrfer.output.outline import TOO_SMALL
from fsrfer.output.rows import face_to_dict
from fsrfer.types import Face, Share, UInt8Image

SCRIPTS = ("viewer_parts.js", "viewer_table.js", "viewer.js")
"""Of the component, in the order in which a page runs them."""

MOST_PICTURES = 24
"""On one page; of more, those with the most faces are chosen."""

MOST_PIXELS = 48_000_000
"""Of all pictures on a page together."""

LARGEST_SIDE, SMALLEST_SIDE = 4096, 1280
"""Between these, in pixels, lies the longer side of what a picture is reduced to."""

MOST_ROWS = 2000
"""Of the table that is read without JavaScript; with it there is no limit."""

_QUALITY = 86


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and its faces.

    Attributes:
        name: of the picture.
        width, height: of the picture as the boxes count it.
        faces: as `scene_faces` gives them.
        picture: a ``data:`` address; None shows the outlines on plain ground, and no face.
        shares: of the picture's group by expression, or empty.
    """

    name: str
    width: int
    height: int
    faces: Sequence[Mapping[str, Any]]
    picture: str | None
    shares: Mapping[str, Share]


@dataclass(frozen=True, slots=True)
class Line:
    """A face in the table that is read without JavaScript; each cell as it is written."""

    picture: str
    number: int
    expression: str
    probability: str
    answer: str
    size: str
    effective: str
    legible: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a page shows of single faces.

    Attributes:
        scenes: at least one.
        remarks: how they were chosen, a sentence each.
    """

    scenes: Sequence[Scene]
    remarks: Sequence[str] = ()

    @property
    def document(self) -> dict[str, Any]:
        """All that the component needs, as plain values. Pictures are referred to by the ID of their element."""
        return {
            "expressions": list(EXPRESSIONS),
            "colours": COLOURS,
            "scenes": [self._scene(index, scene) for index, scene in enumerate(self.scenes)],
        }

    @staticmethod
    def colour(face: Mapping[str, Any]) -> str:
        """Of a face's outline."""
        return TOO_SMALL if face["too_small"] else COLOURS[face["expression"]]

    @property
    def rows(self) -> list[Line]:
        """The faces, line by line, up to `MOST_ROWS`."""
        lines = (_line(scene, number, face) for scene in self.scenes for number, face in enumerate(scene.faces))
        return [line for line, _ in zip(lines, range(MOST_ROWS), strict=False)]

    @property
    def left_out(self) -> int:
        """How many faces `rows` leaves out."""
        return max(0, sum(len(scene.faces) for scene in self.scenes) - MOST_ROWS)

    def _scene(self, index: int, scene: Scene) -> dict[str, Any]:
        # One picture's group is the page's own, which stands there already; few faces say more than their shares.
        has_intervals = all(share.low is not None for share in scene.shares.values())
        shares = scene.shares if len(self.scenes) > 1 and has_intervals else {}
        return {
            "name": scene.name,
            "width": scene.width,
            "height": scene.height,
            "picture": scene.picture and f"#scene-{index}",
            "faces": list(scene.faces),
            "shares": {name: share.to_dict() for name, share in shares.items()} or None,
        }


class Chosen:
    """Keeps the scenes with the most faces in bounded memory, and gives them in the order in which they came."""

    def __init__(self, most: int = MOST_PICTURES):
        """Keep ``most`` of them."""
        self._most = most
        self._kept: list[tuple[int, int, Scene]] = []
        self.offered = 0

    def wants(self, faces: int) -> bool:
        """Whether a scene with so many faces would be kept, so that no other need be prepared."""
        return faces > 0 and (len(self._kept) < self._most or faces > self._kept[0][0])

    def add(self, scene: Scene) -> None:
        """Take a scene that `wants` said yes to."""
        push = heapq.heappush if len(self._kept) < self._most else heapq.heappushpop
        push(self._kept, (len(scene.faces), -self.offered, scene))
        self.offered += 1

    @property
    def scenes(self) -> list[Scene]:
        """What was kept."""
        return [scene for _, _, scene in sorted(self._kept, key=lambda kept: -kept[1])]


def scene_faces(faces: Iterable[Face]) -> list[dict[str, Any]]:
    """Faces as JSON holds them, but for their landmarks, which no page shows."""
    return [{name: value for name, value in face_to_dict(face).items() if name != "landmarks"} for face in faces]


def largest_side(pictures: int) -> int:
    """How long the longer side of each of so many pictures may be, in pixels.

    Example:
        >>> largest_side(1), largest_side(8), largest_side(1000)
        (4096, 2828, 1632)
    """
    together = MOST_PIXELS / max(1, min(pictures, MOST_PICTURES))
    return int(min(LARGEST_SIDE, max(SMALLEST_SIDE, (together * 4 / 3) ** 0.5)))


def embedded(rgb: UInt8Image, side: int) -> str:
    """A picture as a ``data:`` address, reduced to ``side`` pixels at most."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _line(scene: Scene, number: int, face: Mapping[str, Any]) -> Line:
    effective = face["effective_px"]
    return Line(
        picture=scene.name,
        number=number,
        expression="" if face["too_small"] else face["expression"],
        probability=f"{face['probability']:.0%}",
        answer="too small to tell" if face["too_small"] else "certain" if face["certain"] else "uncertain",
        size=f"{face['size_px']:.1f}",
        effective="" if effective is None else f"{effective:.1f}",
        legible=f"{face['legible']:.0%}",
    )

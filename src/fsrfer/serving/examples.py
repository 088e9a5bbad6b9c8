"""Examples in the OpenAPI document, made by the code that makes the answers."""

from typing import Any

from fsrfer.group.estimate import estimate_group
from fsrfer.group.withholding import SmallestGroup
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.recognition.devices import CPU
from fsrfer.serving.answers import predicted
from fsrfer.types import Expression, Face

_INFO = ModelInfo("example", "1", EXPRESSIONS, 48, "grey", 0.1)
_PROBABILITIES = {name: 0.94 if name == "happiness" else 0.01 for name in EXPRESSIONS}
_POINTS = ((112.0, 88.0), (131.0, 87.0), (122.0, 99.0), (114.0, 109.0), (130.0, 108.0))
_FACE = Face(
    (100.0, 70.0, 143.0, 124.0), 0.97, _POINTS, 54.0, "happiness", 0.94, _PROBABILITIES, True, effective_px=38.5
)
_PHOTO = PhotoResult("hall.jpg", 1920, 1080, (_FACE,), estimate_group([_FACE], _INFO), info=_INFO, device=CPU)
_CROP = CropResult("face.png", Expression(54.0, "happiness", 0.94, _PROBABILITIES, True, 38.5), device=CPU)

PHOTOS: dict[str, Any] = predicted([_PHOTO], _INFO, CPU, SmallestGroup())
CROPS: dict[str, Any] = {"crops": [_CROP.to_dict()]}

_FILE = {"type": "string", "format": "binary"}
_FILES = {"type": "array", "items": _FILE}

PICTURES: dict[str, Any] = {
    "required": True,
    "description": "Picture files in a form, under any names; or one picture as the whole body.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"picture": {**_FILES, "minItems": 1}},
                "additionalProperties": _FILES,
                "minProperties": 1,
            }
        },
        "application/octet-stream": {"schema": _FILE},
        "image/*": {"schema": _FILE},
    },
}
"""What routes that take pictures read."""

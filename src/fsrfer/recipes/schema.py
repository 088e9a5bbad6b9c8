"""What a recipe may say. Every key is checked; an unknown one is an error, never ignored."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsrfer.errors import RecipeError
from fsrfer.files import write_text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class InputSettings(_Section):
    """The faces a network takes: side in pixels, and colour."""

    size: int = Field(ge=8, le=512)
    colour: Literal["grey", "rgb"]

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return 1 if self.colour == "grey" else 3


class CompactSettings(_Section):
    """`networks.compact.CompactNet`."""

    stem: int = Field(ge=1)
    widths: list[int] = Field(min_length=1)
    blocks: list[int] = Field(min_length=1)
    dropout: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _one_depth_a_width(self) -> Self:
        if len(self.widths) != len(self.blocks):
            raise ValueError("widths and blocks need the same length")
        return self


class DegradationSettings(_Section):
    """Down-sampling in training: a share of each batch stays sharp, the rest draws a factor uniformly."""

    sharp_share: float = Field(ge=0, le=1)
    max_factor: float = Field(ge=1)


class AugmentationSettings(_Section):
    """Changes drawn anew for each face: flip, rotation (degrees), relative scale and shift, contrast (gamma), erasing."""

    flip: bool
    rotation: float = Field(ge=0, le=180)
    scale: float = Field(ge=0, lt=1)
    shift: float = Field(ge=0, lt=1)
    gamma: float = Field(ge=0, lt=1)
    erase: float = Field(ge=0, le=1)


class OptimizerSettings(_Section):
    """AdamW, with a linear warm-up and a cosine descent to zero."""

    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_steps: int = Field(ge=0)
    ema_decay: float = Field(ge=0, lt=1)


class LoopSettings(_Section):
    """Length of a run, and what happens every so many steps."""

    batch_size: int = Field(ge=2)
    max_steps: int = Field(ge=1)
    log_every: int = Field(ge=1)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)


class ExportSettings(_Section):
    """What the model file will say: margin around detected boxes (relative), and averaging with the mirror image."""

    margin: float = Field(ge=0, le=1)
    flip: bool


class ClassifierRecipe(_Section):
    """A classifier trained on faces of mixed resolution."""

    kind: Literal["classifier"]
    name: str
    seed: int = Field(ge=0)
    validation: str
    labels: Literal["votes", "majority"]
    input: InputSettings
    network: CompactSettings
    degradation: DegradationSettings
    augmentation: AugmentationSettings
    optimizer: OptimizerSettings
    loop: LoopSettings
    export: ExportSettings


Recipe = ClassifierRecipe


def bundled_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("fsrfer.recipes")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """A recipe by its bundled name or by the path of a TOML file, with ``key=value`` changes applied.

    Raises:
        RecipeError: no such recipe, text that is not TOML, a key the recipe does not have, or a value that does not fit.
    """
    if name in bundled_recipes():
        text, where = (
            (resources.files("fsrfer.recipes") / f"{name}.toml").read_text("utf-8"),
            f"recipe {name}",
        )
    elif Path(name).is_file():
        text, where = Path(name).read_text("utf-8"), name
    else:
        raise RecipeError(f"no recipe {name!r}: use one of {', '.join(bundled_recipes())}, or the path of a TOML file")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML ({error})") from error
    for change in changes:
        _apply(values, change)
    return _validated(values, where)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the complete recipe as TOML."""
    write_text(path, tomli_w.dumps(recipe.model_dump()))


def _validated(values: Mapping[str, Any], where: str) -> Recipe:
    try:
        return ClassifierRecipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = "the recipe has no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise RecipeError(f"{where}: {key}: {reason}") from None


def _apply(values: dict[str, Any], change: str) -> None:
    key, separator, text = change.partition("=")
    if not separator:
        raise RecipeError(f"--set {change}: expected key=value, such as loop.max_steps=100")
    *sections, last = key.strip().split(".")
    section: Any = values
    for part in sections:
        section = section.get(part) if isinstance(section, dict) else None
    if not isinstance(section, dict) or last not in section:
        raise RecipeError(f"--set {change}: the recipe has no key {key.strip()!r}")
    section[last] = _parsed(text.strip(), like=section[last])


def _parsed(text: str, like: Any) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return float(value) if isinstance(like, float) and type(value) is int else value

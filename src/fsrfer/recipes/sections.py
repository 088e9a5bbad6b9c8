"""The sections that recipes are made of. Every key is checked; an unknown one is an error, never ignored."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A table of a recipe: frozen, and without room for keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class InputSettings(Section):
    """The faces a network takes: side in pixels, and colour."""

    size: int = Field(ge=8, le=512)
    colour: Literal["grey", "rgb"]

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return 1 if self.colour == "grey" else 3


class CompactSettings(Section):
    """`networks.compact.CompactNet`; ``rank_share`` is 0 for whole convolutions, or the rank of factored ones.

    ``pooling`` over the last map is its mean, or one that knows its places. ``stem_stride`` is how many pixels lie between
    places of the first map: with 2, all maps have half the side.
    """

    stem: int = Field(ge=1)
    stem_stride: Literal[1, 2, 4]
    widths: list[int] = Field(min_length=1)
    blocks: list[int] = Field(min_length=1)
    rank_share: float = Field(ge=0, le=1)
    pooling: Literal["mean", "places"]
    dropout: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _one_depth_a_width(self) -> Self:
        if len(self.widths) != len(self.blocks):
            raise ValueError("widths and blocks need the same length")
        return self


class DegradationSettings(Section):
    """Down-sampling in training: a share of each batch stays sharp, the rest draws a factor uniformly."""

    sharp_share: float = Field(ge=0, le=1)
    max_factor: float = Field(ge=1)


class AugmentationSettings(Section):
    """Changes drawn anew for each face: flip, rotation (degrees), relative scale and shift, contrast (gamma), erasing."""

    flip: bool
    rotation: float = Field(ge=0, le=180)
    scale: float = Field(ge=0, lt=1)
    shift: float = Field(ge=0, lt=1)
    gamma: float = Field(ge=0, lt=1)
    erase: float = Field(ge=0, le=1)


class OptimizerSettings(Section):
    """AdamW, or Muon for kernels beside it, with a linear warm-up and a cosine descent to zero."""

    name: Literal["adamw", "muon"]
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_steps: int = Field(ge=0)
    ema_decay: float = Field(ge=0, lt=1)


class LoopSettings(Section):
    """Length of a run, and what happens every so many steps."""

    batch_size: int = Field(ge=2)
    max_steps: int = Field(ge=1)
    log_every: int = Field(ge=1)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)


class ExportSettings(Section):
    """What the model file will say: margin around detected boxes (relative), and averaging with the mirror image."""

    margin: float = Field(ge=0, le=1)
    flip: bool

"""The sections that recipes are made of. Every key is checked; an unknown one is an error, never ignored.

What a key means stands here once; docs/reference/recipes.md is generated from it (``make recipes``).
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Coefficient = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of a recipe: frozen, and without room for keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class InputSettings(Section):
    """The faces a network takes."""

    size: int = Field(ge=8, le=512, description="side in pixels")
    colour: Literal["grey", "rgb"] = Field(description="one channel (luma) or three")

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return 1 if self.colour == "grey" else 3


class ArchitectureSettings(Section):
    """The residual network, `networks.residual.ResidualNet`; each of its stages halves the map."""

    stem: Count = Field(description="channels of the first map")
    stem_stride: Literal[1, 2, 4] = Field(
        description="pixels between places of the first map; with 2 all maps have half the side"
    )
    widths: list[int] = Field(min_length=1, description="channels of each stage")
    blocks: list[int] = Field(min_length=1, description="residual blocks in each stage")
    pooling: Literal["mean", "places"] = Field(description="of the last map: its mean, or one that weighs its places")
    dropout: float = Field(ge=0, lt=1, description="on the pooled features, in training")

    @model_validator(mode="after")
    def _one_depth_a_width(self) -> Self:
        if len(self.widths) != len(self.blocks):
            raise ValueError("widths and blocks need the same length")
        return self


class UpliftSettings(Section):
    """The generator on the last map, `networks.uplift.FeatureUplift`."""

    hidden: Count = Field(description="channels inside a block")
    blocks: int = Field(ge=0, description="how many; 0 leaves the generator out")
    conditioned: bool = Field(description="whether it is conditioned on the effective size")


class ViewSettings(Section):
    """What is seen of each face of a batch."""

    sharp_share: Share = Field(description="share of the faces that stay sharp")
    max_factor: float = Field(ge=1, description="the others are shrunk by a factor drawn evenly from 1 to this")


class CameraSettings(Section):
    """What a poor camera does to shrunk views, `degradation.camera`; extents are drawn evenly from none to these."""

    share: Share = Field(description="share of the shrunk views")
    blur: Coefficient = Field(description="standard deviation in pixels of the small picture")
    motion: Coefficient = Field(description="length of motion blur in pixels of the small picture")
    noise: Coefficient = Field(description="standard deviation in grey levels 0..255")
    jpeg_quality: int = Field(ge=1, le=100, description="lowest quality, drawn from here to 95; 100 is no JPEG")


class AugmentationSettings(Section):
    """Changes drawn anew for each face."""

    flip: bool = Field(description="mirror half of the faces")
    rotation: float = Field(ge=0, le=180, description="degrees, either way")
    scale: float = Field(ge=0, lt=1, description="relative change of size, either way")
    shift: float = Field(ge=0, lt=1, description="share of the side, either way")
    gamma: float = Field(ge=0, lt=1, description="change of contrast")
    erase: Share = Field(description="share of the faces of which a rectangle is hidden")


class OptimizerSettings(Section):
    """AdamW, or Muon for kernels beside it, with a linear warm-up and a cosine decay to zero."""

    name: Literal["adamw", "muon"] = Field(description="of the optimiser; Muon leaves all but kernels to AdamW")
    learning_rate: float = Field(gt=0, description="its peak")
    weight_decay: Coefficient = Field(description="of kernels and matrices; biases and norms have none")
    warmup_steps: int = Field(ge=0, description="steps until the learning rate is at its peak")
    ema_decay: float = Field(
        ge=0,
        lt=1,
        description="decay of the weights' moving average, which is kept in the end; 0 keeps the last weights",
    )


class SourceSettings(Section):
    """How far the labels of one data set are trusted, where several are trained on together."""

    weight: Coefficient = Field(default=1.0, description="of its faces in the loss against the labels")
    smoothing: Share = Field(default=0.0, description="share of each label that is spread over all classes")


class LoopSettings(Section):
    """Length of a training, and what happens every so many steps."""

    batch_size: int = Field(ge=2, description="faces a step, all processes together")
    max_steps: Count = Field(description="steps")
    log_every: Count = Field(description="steps between two rows of losses")
    validate_every: Count = Field(description="steps between two measurements")
    checkpoint_every: Count = Field(description="steps between two checkpoints")


class ExportSettings(Section):
    """The model file."""

    members: list[str] = Field(
        min_length=1, description="networks that answer in it; the first estimates the effective size"
    )
    margin: Share = Field(description="added around a detected box on each side, relative to its longer side")
    flip: bool = Field(description="whether answers to a face and its mirror image are averaged")

"""What a recipe for comparing ways to handle small faces says: one small network, one start, one budget."""

from typing import Literal, Self

from pydantic import Field, model_validator

from fsrfer.recipes.sections import (
    ArchitectureSettings,
    AugmentationSettings,
    CameraSettings,
    Coefficient,
    Count,
    InputSettings,
    LoopSettings,
    OptimizerSettings,
    Section,
    Share,
    UpliftSettings,
    ViewSettings,
)


class PairedViewSettings(ViewSettings):
    """Each face is seen once (sharp by the share), and then shrunk so many times."""

    shrunk: int = Field(
        ge=0, description="further views of each face, each shrunk by a factor of its own, which follow the first"
    )

    @model_validator(mode="after")
    def _followers_have_a_sharp_view(self) -> Self:
        if self.shrunk and self.sharp_share < 1:
            raise ValueError("views.shrunk follow a sharp view: with them views.sharp_share must be 1")
        return self


class FollowingLosses(Section):
    """Coefficients of the losses; 0 leaves one out."""

    classification: Coefficient = Field(description="cross-entropy of every view")
    logit_adjustment: Share = Field(description="how far rare classes are answered as often as frequent ones")
    feature: Coefficient = Field(description="distance of the lifted map from the teacher's of the sharp view")
    attention: Coefficient = Field(description="distance of the places attended to")
    perceptual: Coefficient = Field(description="distance of what is pooled from the map")
    distillation: Coefficient = Field(description="divergence from the teacher's softened answers")
    temperature: float = Field(gt=0, description="of both answers in that loss")
    adversarial: Coefficient = Field(description="what a discriminator of lifted maps says")
    adversarial_loss: Literal["wgan-div", "wgan-gp", "vanilla", "ragan"] = Field(description="its kind")
    adversarial_ramp: int = Field(ge=0, description="steps over which its coefficient rises")
    reweight: bool = Field(description="classification-aware weight on all that follows a teacher")
    size_loss: Coefficient = Field(description="error of the effective size, in octaves")

    @property
    def follows_maps(self) -> bool:
        """Whether views are drawn to the maps of the teacher, or what is pooled from them."""
        return any((self.feature, self.attention, self.perceptual, self.adversarial))


class ComparisonRecipe(Section):
    """A small network and its training on sharp and shrunk views; every rival is a change of it (`comparison.rivals`)."""

    kind: Literal["comparison"]
    name: str = Field(description="of the experiment")
    seed: int = Field(ge=0, description="of weights, batches and views")
    validation: str = Field(description="data set whose validation part is watched")
    labels: Literal["votes", "majority"] = Field(description="label distributions, or the winning class alone")
    extractor: Literal["trained", "fixed"] = Field(
        description="whether extractor and head learn too, or stay as in the start"
    )
    teacher: Literal["self", "start"] = Field(
        description="who is followed: the network's own sharp view, or the start's"
    )
    start_batch_size: Count = Field(description="sharp faces a step in the training of the start")
    input: InputSettings
    architecture: ArchitectureSettings
    uplift: UpliftSettings
    views: PairedViewSettings
    camera: CameraSettings
    augmentation: AugmentationSettings
    losses: FollowingLosses
    optimizer: OptimizerSettings
    loop: LoopSettings

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> Self:
        losses = self.losses
        followed = (losses.follows_maps or losses.distillation) and (self.views.shrunk or self.teacher == "start")
        if not (losses.classification or losses.size_loss or followed):
            raise ValueError("no loss has a coefficient above 0 and views to learn from")
        if self.extractor == "fixed" and not self.uplift.blocks:
            raise ValueError("with a fixed extractor there must be uplift.blocks to train")
        return self

"""What a recipe for the compact network says: extractor, generator and head in one, trained on views of each face."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fsrfer.recipes.sections import (
    AugmentationSettings,
    CompactSettings,
    ExportSettings,
    InputSettings,
    LoopSettings,
    OptimizerSettings,
    Section,
)


class UpliftSettings(Section):
    """`networks.uplift.FeatureUplift`; 0 blocks leave the generator out."""

    hidden: int = Field(ge=1)
    blocks: int = Field(ge=0)
    conditioned: bool


class ViewSettings(Section):
    """Each face of a batch is seen once, and then shrunk ``shrunk`` times by factors drawn from 1..max_factor.

    The first view of a share ``sharp_share`` of the faces is sharp; of the others it is shrunk too, and nothing can follow it.
    """

    sharp_share: float = Field(ge=0, le=1)
    shrunk: int = Field(ge=0)
    max_factor: float = Field(ge=1)

    @model_validator(mode="after")
    def _followers_have_a_sharp_view(self) -> Self:
        if self.shrunk and self.sharp_share < 1:
            raise ValueError("views.shrunk follow a sharp view: with them views.sharp_share must be 1")
        return self


class CameraRecipe(Section):
    """`degradation.camera`: which share of the shrunk views a camera spoils, and how much at most."""

    share: float = Field(ge=0, le=1)
    blur: float = Field(ge=0)
    motion: float = Field(ge=0)
    noise: float = Field(ge=0)
    jpeg_quality: int = Field(ge=1, le=100)


class CompactLosses(Section):
    """Coefficients of the losses; 0 leaves one out.

    ``classification`` is the cross-entropy of every view, ``balance`` how far it levels the classes. The next five pull
    views towards what the teacher makes of the first one: by the lifted map, by the places it attends to, by what is pooled
    from it, by the softened answers, and by a discriminator. ``reweight`` switches the classification-aware weight on these
    five, ``size`` is the error of the effective size.
    """

    classification: float = Field(ge=0)
    balance: float = Field(ge=0, le=1)
    feature: float = Field(ge=0)
    attention: float = Field(ge=0)
    perceptual: float = Field(ge=0)
    distillation: float = Field(ge=0)
    temperature: float = Field(gt=0)
    adversarial: float = Field(ge=0)
    adversarial_loss: Literal["wgan-div", "wgan-gp", "vanilla", "ragan"]
    adversarial_ramp: int = Field(ge=0)
    reweight: bool
    size: float = Field(ge=0)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_list), Field(min_length=1)]
"""One or more names; a single one may stand for the list of it."""


class CompactRecipe(Section):
    """The compact network and its training.

    ``parent`` names the recipe whose network this one starts from (none: from scratch). ``extractor`` says whether the
    extractor and head are trained too, or stay as the parent left them (the paper's setting). ``teacher`` is who gives
    the targets: "self", the network itself; "parent"; the name of another recipe; or a list of such names, and "parent"
    among them, whose networks answer as one. Who is not the network itself answers with the mean of a picture and its mirror
    image. ``refined`` is the share of each face's label that is the answer of the teacher, or of the parent where the network
    teaches itself, to the face as it is, whatever becomes of it in training (`training.refinery`).
    """

    kind: Literal["compact"]
    name: str
    parent: str
    seed: int = Field(ge=0)
    validation: str
    labels: Literal["votes", "majority"]
    refined: float = Field(ge=0, le=1)
    extractor: Literal["trained", "fixed"]
    teacher: Names
    input: InputSettings
    network: CompactSettings
    uplift: UpliftSettings
    views: ViewSettings
    camera: CameraRecipe
    augmentation: AugmentationSettings
    losses: CompactLosses
    optimizer: OptimizerSettings
    loop: LoopSettings
    export: ExportSettings

    @property
    def teachers(self) -> list[str]:
        """The recipes of the teachers; none where the network teaches itself."""
        if self.teacher == ["self"]:
            return []
        return [self.parent if name == "parent" else name for name in self.teacher]

    @property
    def own_teachers(self) -> list[str]:
        """The recipes of the teachers but the parent."""
        return [name for name in self.teachers if name != self.parent]

    @property
    def follows_maps(self) -> bool:
        """Whether views are pulled towards the maps of the teacher, or what is pooled from them."""
        losses = self.losses
        return any((losses.feature, losses.attention, losses.perceptual, losses.adversarial))

    @property
    def follows(self) -> bool:
        """Whether views are pulled towards what the teacher makes of the first one."""
        return self.follows_maps or self.losses.distillation > 0

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> Self:
        losses = self.losses
        followed = self.follows and (self.views.shrunk or self.teachers)
        if not (losses.classification or losses.size or followed):
            raise ValueError("no loss has a coefficient above 0 and views to learn from")
        return self

    @model_validator(mode="after")
    def _who_is_needed_is_named(self) -> Self:
        if not self.parent and (self.extractor == "fixed" or "parent" in self.teacher):
            raise ValueError("a fixed extractor, or a parent for teacher, needs a parent")
        if not self.parent and self.refined and not self.own_teachers:
            raise ValueError("refined labels need a parent or a teacher")
        if self.extractor == "fixed" and not self.uplift.blocks:
            raise ValueError("with a fixed extractor there must be uplift.blocks to train")
        return self

    @model_validator(mode="after")
    def _teachers_teach(self) -> Self:
        if self.parent and self.parent in self.teacher:
            raise ValueError("the teacher is the parent: write teacher = 'parent'")
        if "self" in self.teachers or len(set(self.teachers)) < len(self.teachers):
            raise ValueError("teacher: of several each is another network, and none the network itself")
        if self.own_teachers and not (self.refined or self.follows):
            raise ValueError(
                f"nothing is learnt from the teacher {self.own_teachers[0]}: no loss follows it, and refined is 0"
            )
        if len(self.teachers) > 1 and self.follows_maps:
            raise ValueError(
                "of several teachers only the answers can be followed; set losses.feature, .attention, .perceptual "
                "and .adversarial to 0"
            )
        return self

"""What a recipe for feature super-resolution says: one section a network, one a stage."""

from typing import Literal

from pydantic import Field

from fsrfer.recipes.sections import AugmentationSettings, InputSettings, LoopSettings, OptimizerSettings, Section


class ExtractorSettings(Section):
    """`networks.covpool`: channels of the six convolutions, side of the feature, widths of the head."""

    widths: list[int] = Field(min_length=6, max_length=6)
    bimap_dim: int = Field(ge=2)
    head: list[int] = Field(min_length=2, max_length=2)


class GeneratorSettings(Section):
    """`networks.generator.FeatureGenerator`."""

    channels: int = Field(ge=1)
    growth: int = Field(ge=1)
    blocks: int = Field(ge=1)
    kernel: int = Field(ge=1)
    residual_scale: float = Field(ge=0)
    init_scale: float = Field(gt=0)


class DiscriminatorSettings(Section):
    """`networks.discriminator.FeatureDiscriminator`."""

    widths: list[int] = Field(min_length=1)
    hidden: int = Field(ge=1)


class ImageSrSettings(Section):
    """`networks.sr.ImageSuperResolver`, the rival that restores pictures."""

    channels: int = Field(ge=1)
    blocks: int = Field(ge=1)
    residual_scale: float = Field(gt=0)
    optimizer: OptimizerSettings
    loop: LoopSettings


class ExtractorTraining(Section):
    """Training of the extractor and its head on sharp faces."""

    augmentation: AugmentationSettings
    optimizer: OptimizerSettings
    loop: LoopSettings


class PretrainingSettings(Section):
    """The generator alone, on the feature loss without weights; the rate is multiplied by ``decay`` at each milestone."""

    learning_rate: float = Field(gt=0)
    milestones: list[int]
    decay: float = Field(gt=0, le=1)
    loop: LoopSettings


class AdversarialSettings(Section):
    """The adversarial stage.

    ``weight``, ``feature`` and ``perceptual`` are the coefficients of the generator's three losses (a ``weight`` of 0
    leaves the discriminator out); ``reweight`` switches the classification-aware weight.
    """

    loss: Literal["wgan-div", "wgan-gp", "vanilla", "ragan"]
    weight: float = Field(ge=0)
    feature: float = Field(ge=0)
    perceptual: float = Field(ge=0)
    reweight: bool
    learning_rate: float = Field(gt=0)
    beta1: float = Field(ge=0, lt=1)
    milestones: list[int]
    decay: float = Field(gt=0, le=1)
    ema_decay: float = Field(ge=0, lt=1)
    loop: LoopSettings


class SvmSettings(Section):
    """The linear SVM on L2-normalised embeddings: its penalty C, and how many training faces it is fitted on at most."""

    c: float = Field(gt=0)
    max_faces: int = Field(ge=7)


class FsrRecipe(Section):
    """The paper's system: a fixed extractor and head, a generator trained against a discriminator, a final classifier."""

    kind: Literal["fsr"]
    name: str
    seed: int = Field(ge=0)
    validation: str
    labels: Literal["votes", "majority"]
    factors: list[int] = Field(min_length=1)
    flip: bool
    input: InputSettings
    extractor: ExtractorSettings
    generator: GeneratorSettings
    discriminator: DiscriminatorSettings
    extractor_training: ExtractorTraining
    pretraining: PretrainingSettings
    adversarial: AdversarialSettings
    svm: SvmSettings
    image_sr: ImageSrSettings

    def loops(self) -> list[LoopSettings]:
        """The loops of all stages."""
        return [self.extractor_training.loop, self.pretraining.loop, self.adversarial.loop, self.image_sr.loop]

"""What a recipe for the paper's system says: one section a network, one a stage."""

from typing import Literal

from pydantic import Field

from fsrfer.recipes.sections import (
    AugmentationSettings,
    Coefficient,
    Count,
    InputSettings,
    LoopSettings,
    OptimizerSettings,
    Section,
)


class ExtractorSettings(Section):
    """The extractor E and its head, `networks.covpool`."""

    widths: list[int] = Field(min_length=6, max_length=6, description="channels of the six convolutions")
    bimap_dim: int = Field(ge=2, description="side of the feature, a symmetric matrix")
    head: list[int] = Field(min_length=2, max_length=2, description="widths of the head's hidden layers")


class GeneratorSettings(Section):
    """The generator G, `networks.generator.FeatureGenerator`."""

    channels: Count = Field(description="of its trunk")
    growth: Count = Field(description="channels that each convolution of a dense block adds")
    blocks: Count = Field(description="residual-in-residual dense blocks")
    kernel: Count = Field(description="side of the last two kernels")
    residual_scale: Coefficient = Field(description="of the residuals")
    init_scale: float = Field(gt=0, description="of He's initialisation")


class DiscriminatorSettings(Section):
    """The discriminator D, `networks.discriminator.FeatureDiscriminator`."""

    widths: list[int] = Field(min_length=1, description="channels of each pair of convolutions")
    hidden: Count = Field(description="width of the layer before the score")


class ImageSrSettings(Section):
    """The rival that restores pictures, `networks.sr.ImageSuperResolver`."""

    channels: Count = Field(description="of its trunk")
    blocks: Count = Field(description="residual blocks")
    residual_scale: float = Field(gt=0, description="of the residuals")
    optimizer: OptimizerSettings
    loop: LoopSettings


class ExtractorTraining(Section):
    """Training of the extractor and its head on sharp faces."""

    augmentation: AugmentationSettings
    optimizer: OptimizerSettings
    loop: LoopSettings


class PretrainingSettings(Section):
    """The generator alone, on the feature loss without weights."""

    learning_rate: float = Field(gt=0, description="of Adam, at the beginning")
    milestones: list[int] = Field(description="steps at which the rate falls")
    decay: float = Field(gt=0, le=1, description="what it is multiplied by at each")
    loop: LoopSettings


class AdversarialSettings(Section):
    """The adversarial stage: the generator against the discriminator."""

    loss: Literal["wgan-div", "wgan-gp", "vanilla", "ragan"] = Field(description="kind of the adversarial loss")
    weight: Coefficient = Field(description="its coefficient; 0 leaves the discriminator out")
    feature: Coefficient = Field(description="coefficient of the feature loss")
    perceptual: Coefficient = Field(description="coefficient of the perceptual loss")
    reweight: bool = Field(description="the classification-aware weight on all three")
    learning_rate: float = Field(gt=0, description="of Adam, at the beginning")
    beta1: float = Field(ge=0, lt=1, description="of Adam")
    milestones: list[int] = Field(description="steps at which the rate falls")
    decay: float = Field(gt=0, le=1, description="what it is multiplied by at each")
    ema_decay: float = Field(ge=0, lt=1, description="of the average of G's weights; 0 takes the last ones")
    loop: LoopSettings


class SvmSettings(Section):
    """The linear SVM on L2-normalised embeddings."""

    c: float = Field(gt=0, description="penalty")
    max_faces: int = Field(ge=7, description="training faces it is fitted on, at most")


class PaperRecipe(Section):
    """The paper's system: a fixed extractor and head, a generator trained against a discriminator, a final classifier."""

    kind: Literal["fsr"]
    name: str = Field(description="of the experiment")
    seed: int = Field(ge=0, description="of weights, batches and pairs")
    validation: str = Field(description="data set whose validation part is watched")
    labels: Literal["votes", "majority"] = Field(description="label distributions, or the winning class alone")
    factors: list[int] = Field(min_length=1, description="of down-sampling; every face appears at each")
    flip: bool = Field(description="mirror half of the pairs")
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

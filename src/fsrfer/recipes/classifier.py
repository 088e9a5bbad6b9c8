"""What a recipe for a classifier says."""

from typing import Literal

from pydantic import Field

from fsrfer.recipes.sections import (
    AugmentationSettings,
    CompactSettings,
    DegradationSettings,
    ExportSettings,
    InputSettings,
    LoopSettings,
    OptimizerSettings,
    Section,
)


class ClassifierRecipe(Section):
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

"""What a recipe for several networks that answer as one says."""

from typing import Literal, Self

from pydantic import Field, model_validator

from fsrfer.recipes.sections import ExportSettings, InputSettings, Section


class EnsembleRecipe(Section):
    """Compact networks, each trained by a recipe of its own on the same faces.

    ``members`` names their recipes. The first one estimates the effective size.
    """

    kind: Literal["ensemble"]
    name: str
    validation: str
    labels: Literal["votes", "majority"]
    members: list[str] = Field(min_length=2)
    input: InputSettings
    export: ExportSettings

    @model_validator(mode="after")
    def _each_member_is_another_network(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError("members: a recipe is named twice")
        return self

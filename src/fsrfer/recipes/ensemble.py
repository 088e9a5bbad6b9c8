"""What a recipe for several networks that answer as one says."""

from typing import Literal

from pydantic import Field

from fsrfer.recipes.sections import ExportSettings, InputSettings, Section


class EnsembleRecipe(Section):
    """Compact networks, each trained by a recipe of its own on the same faces.

    ``members`` names their recipes in the order they are trained in: one that is taught by, or starts from, an earlier
    one takes that. The first one estimates the effective size.
    """

    kind: Literal["ensemble"]
    name: str
    validation: str
    labels: Literal["votes", "majority"]
    members: list[str] = Field(min_length=2)
    input: InputSettings
    export: ExportSettings

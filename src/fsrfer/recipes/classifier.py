"""What a recipe for a model file says: one or more networks, in the order of their training, and which of them answer."""

from typing import Literal, Self

from pydantic import Field, model_validator

from fsrfer.recipes.sections import (
    ArchitectureSettings,
    AugmentationSettings,
    CameraSettings,
    Coefficient,
    ExportSettings,
    InputSettings,
    LoopSettings,
    OptimizerSettings,
    Section,
    Share,
    SourceSettings,
    UpliftSettings,
    ViewSettings,
)


class NetworkSettings(Section):
    """One network and its training."""

    seed: int = Field(ge=0, description="of weights, batches and views")
    teachers: list[str] = Field(
        description="networks above this one, or another recipe (its finished model), whose answers are followed as one"
    )
    label_share: Share = Field(description="share of each label that is the teachers' answer to the sharp face")
    distillation: Coefficient = Field(
        description="weight of the distillation loss: the teachers' answers to the same view"
    )
    temperature: float = Field(gt=0, description="of both answers in that loss")
    features: Coefficient = Field(
        description="weight of the feature loss: the last map of the first teacher's first network, of the same view"
    )
    lessons: int = Field(
        ge=0,
        description="batches of views that are made once, with the teachers' outputs, and reused; 0: new ones every step",
    )
    start: str = Field(
        description="network whose weights it starts from: one above it, or of a teacher of another recipe; empty for none"
    )
    size_loss: Coefficient = Field(description="coefficient of the error of the effective size, in octaves")
    architecture: ArchitectureSettings
    uplift: UpliftSettings
    optimizer: OptimizerSettings
    loop: LoopSettings

    @property
    def taught(self) -> tuple[object, ...]:
        """All that lessons depend on beside a seed and what the recipe says of all networks."""
        places = (self.architecture.stem_stride, len(self.architecture.widths))  # they decide the last map's side
        kept = (bool(self.distillation), bool(self.features))
        return (self.teachers, self.label_share, kept, self.lessons, self.loop.batch_size, places)

    def is_built_like(self, other: "NetworkSettings") -> bool:
        """Whether the weights of one fit the other."""
        return (self.architecture, self.uplift) == (other.architecture, other.uplift)

    @model_validator(mode="after")
    def _teachers_teach(self) -> Self:
        taught = self.label_share or self.distillation or self.features
        if self.teachers and not taught:
            raise ValueError("nothing is learnt from the teachers: label_share, distillation and features are 0")
        if not self.teachers and taught:
            raise ValueError("label_share, distillation and features need teachers")
        if self.features and not self.lessons:
            raise ValueError("features are followed from lessons, of which there are none")
        if self.lessons and not (self.features or self.distillation):
            raise ValueError("nothing is learnt from lessons: features and distillation are 0")
        if len(set(self.teachers)) < len(self.teachers):
            raise ValueError("teachers: one is named twice")
        return self


class ClassifierRecipe(Section):
    """A model file: networks trained one after the other on views of the same faces; those that answer are joined."""

    kind: Literal["classifier"]
    name: str = Field(description="of the experiment")
    validation: str = Field(description="data set whose validation part is measured and calibrated on")
    labels: Literal["votes", "majority"] = Field(description="label distributions, or the winning class alone")
    input: InputSettings
    views: ViewSettings
    camera: CameraSettings
    augmentation: AugmentationSettings
    networks: dict[str, NetworkSettings] = Field(min_length=1)
    sources: dict[str, SourceSettings] = Field(
        default_factory=dict, description="data sets whose labels count otherwise, such as `[sources.rafdb]`"
    )
    export: ExportSettings

    @property
    def outside_teachers(self) -> list[str]:
        """Recipes that teach, but are not networks of this one; each once."""
        named = (name for settings in self.networks.values() for name in settings.teachers)
        return list(dict.fromkeys(name for name in named if name not in self.networks))

    def first_taught_like(self, name: str) -> str:
        """The first of the networks that are taught as this one is; they share the teachers' answers and the lessons."""
        return next(other for other, settings in self.networks.items() if settings.taught == self.networks[name].taught)

    def alone(self, name: str) -> Self:
        """The same recipe with one of its networks, which answers."""
        export = self.export.model_copy(update={"members": [name]})
        return self.model_copy(update={"networks": {name: self.networks[name]}, "export": export})

    @model_validator(mode="after")
    def _who_teaches_comes_before(self) -> Self:
        names = list(self.networks)
        for place, name in enumerate(names):
            settings = self.networks[name]
            late = [teacher for teacher in settings.teachers if teacher in names[place:]]
            if late:
                raise ValueError(f"networks.{name}.teachers: {late[0]} must stand above {name}")
            if settings.start in names[place:]:
                raise ValueError(f"networks.{name}.start: {settings.start} must stand above {name}")
            if settings.start in self.networks and not self.networks[settings.start].is_built_like(settings):
                raise ValueError(f"networks.{name}.start: {settings.start} has another architecture")
        return self

    @model_validator(mode="after")
    def _members_are_networks(self) -> Self:
        members = self.export.members
        if unknown := [name for name in members if name not in self.networks]:
            raise ValueError(f"export.members: {unknown[0]} is none of the networks {', '.join(self.networks)}")
        if len(set(members)) < len(members):
            raise ValueError("export.members: a network is named twice")
        return self

"""Recipes small enough to train in a test."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import changed, load_recipe

FIRST_TEACHES_SECOND: Mapping[str, Sequence[str]] = MappingProxyType({"first": [], "second": ["first"]})

TINY_PAPER = [
    "input.size=16", "extractor.widths=[4,4,6,6,8,8]", "extractor.bimap_dim=4", "extractor.head=[8,8]",
    "generator.channels=4", "generator.growth=2", "generator.blocks=1", "discriminator.widths=[4]",
    "discriminator.hidden=4", "extractor_training.loop.batch_size=14", "pretraining.loop.batch_size=14",
    "adversarial.loop.batch_size=14", "extractor_training.loop.checkpoint_every=2",
    "pretraining.loop.checkpoint_every=2", "adversarial.loop.checkpoint_every=2",
    "extractor_training.loop.log_every=1", "pretraining.loop.log_every=1", "adversarial.loop.log_every=1",
]  # fmt: skip
"""Changes to ``paper-small``."""

TINY_COMPARISON = [
    "validation=rafdb", "input.size=16", "architecture.stem=4", "architecture.widths=[8]", "architecture.blocks=[1]",
    "architecture.dropout=0.0", "uplift.hidden=4", "uplift.blocks=1", "start_batch_size=14", "loop.batch_size=14",
    "loop.log_every=1", "loop.validate_every=100", "loop.checkpoint_every=2", "optimizer.warmup_steps=1",
]  # fmt: skip
"""Changes to ``comparison``."""


def tiny_classifier(*changes: str, taught: Mapping[str, Sequence[str]] = FIRST_TEACHES_SECOND) -> ClassifierRecipe:
    """Networks for faces of 16 pixels in one model file: as `default`'s own, but tiny, and those taught follow answers too.

    Args:
        changes: ``key=value`` words.
        taught: the networks and their teachers.
    """
    values = load_recipe("default").model_dump()
    fine, small, *_ = values["networks"].values()
    for network in (fine, small):
        network["architecture"] |= {"stem": 4, "widths": [8], "blocks": [1], "dropout": 0.0}
        network["uplift"] |= {"hidden": 4, "blocks": 1}
        network["optimizer"]["warmup_steps"] = 1
        network["loop"] |= {"batch_size": 14, "log_every": 1, "validate_every": 100, "checkpoint_every": 2}
    follower = small | {"label_share": 0.5, "distillation": 1.0}
    values |= {
        "name": "tiny",
        "validation": "rafdb",
        "input": {"size": 16, "colour": "grey"},
        "camera": values["camera"] | {"share": 0.5},
        "networks": {name: follower | {"teachers": [*by]} if by else fine for name, by in taught.items()},
        "export": values["export"] | {"members": [*taught]},
    }
    return changed(ClassifierRecipe.model_validate(values), changes)

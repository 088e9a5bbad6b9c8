"""Changes that make the bundled recipes small enough to train in a test."""

from pathlib import Path

from fsrfer.recipes.schema import load_recipe, save_recipe

TINY_CLASSIFIER = [
    "validation=rafdb", "input.size=16", "network.stem=4", "network.widths=[8]", "network.blocks=[1]", "network.dropout=0.0",
    "loop.batch_size=14", "loop.log_every=1", "loop.validate_every=100", "optimizer.warmup_steps=1",
    "loop.checkpoint_every=2",
]  # fmt: skip
TINY_COMPACT = [*TINY_CLASSIFIER, "uplift.hidden=4", "uplift.blocks=1"]
"""For ``compact-small``, whose parent must be as tiny: see `write_tiny_parent`."""
TINY_FSR = [
    "input.size=16", "extractor.widths=[4,4,6,6,8,8]", "extractor.bimap_dim=4", "extractor.head=[8,8]",
    "generator.channels=4", "generator.growth=2", "generator.blocks=1", "discriminator.widths=[4]",
    "discriminator.hidden=4", "extractor_training.loop.batch_size=14", "pretraining.loop.batch_size=14",
    "adversarial.loop.batch_size=14", "extractor_training.loop.checkpoint_every=2",
    "pretraining.loop.checkpoint_every=2", "adversarial.loop.checkpoint_every=2",
    "extractor_training.loop.log_every=1", "pretraining.loop.log_every=1", "adversarial.loop.log_every=1",
]  # fmt: skip


def write_tiny_parent(path: Path, *changes: str) -> Path:
    """A recipe file that a tiny ``compact-small`` can name as its parent: faces as small, sharp ones only."""
    save_recipe(load_recipe("sharp-small", [*TINY_CLASSIFIER, *changes]), path)
    return path

"""The rivals of compact feature super-resolution: one small network, one start, one budget, many ways to use them.

Every rival begins with the same network, trained on sharp faces, and gets as many steps more, of as many pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_fabric import Fabric

from fsrfer.baselines import predictors
from fsrfer.comparison.measure import Method
from fsrfer.comparison.paper import MethodMaker
from fsrfer.errors import RecipeError
from fsrfer.networks.compact import CompactNet
from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.recipes.fsr import FsrRecipe
from fsrfer.recipes.schema import changed, load_recipe, shortened
from fsrfer.training import paper as fsr_run
from fsrfer.training.compute import freeze
from fsrfer.training.faces import TrainingData, by_majority
from fsrfer.training.lineage import named_recipe
from fsrfer.training.run import train_from, train_network

RESTORER_RECIPE = "paper-small"

_NOTHING_TO_FOLLOW = ("losses.feature=0.0", "losses.perceptual=0.0", "losses.distillation=0.0")
_FIXED = (
    "extractor=fixed",
    "teacher=parent",
    "losses.classification=0.0",
    "losses.feature=0.01",
    "losses.perceptual=10.0",
    "losses.distillation=0.0",
)
_GAN = ("losses.adversarial=0.1", "losses.adversarial_ramp=200")


@dataclass(frozen=True, slots=True)
class Rival:
    """A change to the recipe: a name, what readers see, and ``key=value`` words."""

    name: str
    title: str
    changes: tuple[str, ...]


RIVALS = (
    Rival("fsr", "compact FSR on the fixed network", _FIXED),
    Rival("fsr-no-reweighting", "compact FSR, fixed, without re-weighting", (*_FIXED, "losses.reweight=false")),
    Rival("fsr-no-perceptual", "compact FSR, fixed, without the perceptual term", (*_FIXED, "losses.perceptual=0.0")),
    Rival("fsr-no-size", "compact FSR, fixed, not told the size", (*_FIXED, "uplift.conditioned=false")),
    Rival("fsr-gan", "compact FSR, fixed, with WGAN-div at 0.1", (*_FIXED, *_GAN)),
    Rival(
        "fsr-answers",
        "compact FSR, fixed, learning from labels and answers",
        (*_FIXED, "losses.classification=1.0", "losses.distillation=0.25"),
    ),
    Rival("mixed", "training on mixed sizes", ("uplift.blocks=0", *_NOTHING_TO_FOLLOW)),
    Rival("distilled", "mixed sizes, distilled from the sharp network", ("uplift.blocks=0", "teacher=parent")),
    Rival(
        "distilled-attention",
        "mixed sizes, distilled by answers and attention",
        ("uplift.blocks=0", "teacher=parent", "losses.feature=0.0", "losses.perceptual=0.0", "losses.attention=1.0"),
    ),
    Rival("joint", "compact FSR with its extractor (joint)", ()),
    Rival("joint-no-following", "joint, labels alone", _NOTHING_TO_FOLLOW),
    Rival(
        "single-views",
        "joint, labels alone, three times as many faces, each seen once",
        (
            *_NOTHING_TO_FOLLOW,
            "losses.reweight=false",
            "views.sharp_share=0.25",
            "views.shrunk=0",
            "loop.batch_size=132",
        ),
    ),
    Rival("joint-no-reweighting", "joint, without re-weighting", ("losses.reweight=false",)),
    Rival(
        "joint-camera",
        "joint, three faces in ten by a poor camera",
        ("camera.share=0.3", "camera.blur=1.0", "camera.motion=1.5", "camera.noise=10.0", "camera.jpeg_quality=40"),
    ),
    Rival("joint-places", "joint, with a pooling that knows its places", ("network.pooling=places",)),
    Rival("joint-factored", "joint, convolutions in two factors", ("network.rank_share=0.5",)),
    Rival("joint-muon", "joint, kernels by Muon", ("optimizer.name=muon",)),
    Rival("joint-balanced", "joint, answering as if all expressions were equally frequent", ("losses.balance=1.0",)),
    Rival("joint-majority", "joint, from the winning class instead of the votes", ("labels=majority",)),
    Rival("joint-no-average", "joint, the last weights instead of their average", ("optimizer.ema_decay=0.0",)),
    Rival(
        "joint-augmented",
        "joint, stronger augmentation",
        (
            "augmentation.rotation=20.0",
            "augmentation.scale=0.2",
            "augmentation.shift=0.1",
            "augmentation.gamma=0.4",
            "augmentation.erase=0.25",
        ),
    ),
)
FINALISTS = ("mixed", "distilled", "joint")
"""Measured with every seed; the others with the first alone."""


def train_compact_rivals(
    fabric: Fabric,
    recipe: CompactRecipe,
    data: TrainingData,
    folder: Path,
    chosen: Sequence[str],
    *,
    plain: bool,
) -> tuple[Method, ...]:
    """Train the chosen rivals, and what they are measured against; what a former call finished is loaded.

    Args:
        fabric: where to compute.
        recipe: with the seed of this round; its parent is the network on sharp faces.
        data: the training faces.
        folder: of this round; one sub-folder a rival.
        chosen: names among `RIVALS`.
        plain: whether the network on sharp faces is measured too, and image super-resolution in front of it.
    """
    sharp = changed(_sharp(recipe), [f"seed={recipe.seed}", f"loop.max_steps={recipe.loop.max_steps}"])
    start = train_network(fabric, sharp, data, folder / "start")
    common = _Common(fabric, recipe, start, data, folder)
    make = MethodMaker(recipe.input, fabric.device)
    methods = list(_plain(common, sharp, make)) if plain else []
    for rival in RIVALS:
        if rival.name in chosen:
            network = common.trained(changed(recipe, rival.changes), rival.name)
            methods.append(make(f"{recipe.name}-{rival.name}", rival.title, network, [network]))
    return tuple(methods)


@dataclass(frozen=True, slots=True)
class _Common:
    """What the rivals of one seed share."""

    fabric: Fabric
    recipe: CompactRecipe
    start: CompactNet
    data: TrainingData
    folder: Path

    def trained(self, recipe: CompactRecipe, name: str) -> CompactNet:
        """The common start, trained on by a recipe."""
        faces = by_majority(self.data) if recipe.labels == "majority" else self.data
        return freeze(train_from(self.fabric, recipe, self.start, faces, self.folder / name))

    def restorer(self) -> ImageSuperResolver:
        """Image super-resolution of the same faces, with as many steps."""
        described = load_recipe(
            RESTORER_RECIPE,
            [
                f"seed={self.recipe.seed}",
                f"validation={self.recipe.validation}",
                f"input.size={self.recipe.input.size}",
                f"input.colour={self.recipe.input.colour}",
            ],
        )
        assert isinstance(described, FsrRecipe)
        short = shortened(described, self.recipe.loop.max_steps)
        return fsr_run.train_image_sr(self.fabric, short, self.data, self.folder)


def _plain(common: _Common, sharp: CompactRecipe, make: MethodMaker) -> tuple[Method, Method]:
    """The network trained on sharp faces for longer, on the enlarged picture and on the restored one."""
    longer, restorer = common.trained(sharp, "sharp"), common.restorer()
    name = common.recipe.name
    return (
        make(f"{name}-bicubic", "bicubic + network on sharp faces", predictors.bicubic(longer), [longer]),
        make(
            f"{name}-image-sr",
            "image super-resolution + network on sharp faces",
            predictors.image_super_resolution(restorer, longer),
            [restorer, longer],
        ),
    )


def _sharp(recipe: CompactRecipe) -> CompactRecipe:
    parent = named_recipe(recipe, "parent", recipe.parent) if recipe.parent else None
    if not isinstance(parent, CompactRecipe) or parent.views.shrunk or parent.views.sharp_share < 1:
        raise RecipeError(
            f"recipe {recipe.name}: a comparison needs a parent trained on sharp faces, as compact-small has"
        )
    if recipe.own_teachers:
        raise RecipeError(
            f"recipe {recipe.name}: in a comparison nobody has a teacher of their own; set teacher to self"
        )
    return parent

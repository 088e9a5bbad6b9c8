"""Ways to handle small faces: one small network, one start, one budget, many ways to use them.

Every rival begins with the same network, trained on sharp faces, and gets as many steps more, of as many pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_fabric import Fabric

from fsrfer.comparison import predictors
from fsrfer.comparison.following import FollowingTrainer
from fsrfer.comparison.image_sr import train_image_sr
from fsrfer.comparison.measure import Method
from fsrfer.comparison.methods import MethodMaker
from fsrfer.networks.residual import ResidualNet
from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.comparison import ComparisonRecipe
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.schema import changed, load_recipe, shortened
from fsrfer.training import loop
from fsrfer.training.build import residual_net
from fsrfer.training.compute import freeze
from fsrfer.training.faces import TrainingData, by_majority
from fsrfer.training.plots import plot_stages
from fsrfer.training.run import WEIGHTS_FILE, begin_or_resume, is_finished, load_weights, save_weights

RESTORER_RECIPE = "paper-small"

STAGE = "views"

_NOTHING_TO_FOLLOW = ("losses.feature=0.0", "losses.perceptual=0.0", "losses.distillation=0.0")
_FIXED = (
    "extractor=fixed",
    "teacher=start",
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
    Rival("fsr", "FSR on the fixed network", _FIXED),
    Rival("fsr-no-reweighting", "FSR, fixed, without re-weighting", (*_FIXED, "losses.reweight=false")),
    Rival("fsr-no-perceptual", "FSR, fixed, without the perceptual term", (*_FIXED, "losses.perceptual=0.0")),
    Rival("fsr-no-size", "FSR, fixed, not told the size", (*_FIXED, "uplift.conditioned=false")),
    Rival("fsr-gan", "FSR, fixed, with WGAN-div at 0.1", (*_FIXED, *_GAN)),
    Rival(
        "fsr-answers",
        "FSR, fixed, learning from labels and answers",
        (*_FIXED, "losses.classification=1.0", "losses.distillation=0.25"),
    ),
    Rival("mixed", "training on mixed sizes", ("uplift.blocks=0", *_NOTHING_TO_FOLLOW)),
    Rival("distilled", "mixed sizes, distilled from the sharp network", ("uplift.blocks=0", "teacher=start")),
    Rival(
        "distilled-attention",
        "mixed sizes, distilled by answers and attention",
        ("uplift.blocks=0", "teacher=start", "losses.feature=0.0", "losses.perceptual=0.0", "losses.attention=1.0"),
    ),
    Rival("joint", "FSR with its extractor (joint)", ()),
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
    Rival("joint-places", "joint, with a pooling that knows its places", ("architecture.pooling=places",)),
    Rival("joint-muon", "joint, kernels by Muon", ("optimizer.name=muon",)),
    Rival(
        "joint-balanced",
        "joint, answering as if all expressions were equally frequent",
        ("losses.logit_adjustment=1.0",),
    ),
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


def train_rivals(
    fabric: Fabric,
    recipe: ComparisonRecipe,
    data: TrainingData,
    folder: Path,
    chosen: Sequence[str],
    *,
    plain: bool,
) -> tuple[Method, ...]:
    """Train the chosen rivals, and what they are measured against; what a former call finished is loaded.

    Args:
        fabric: where to compute.
        recipe: with the seed of this round.
        data: the training faces.
        folder: of this round; one sub-folder a rival.
        chosen: names among `RIVALS`.
        plain: whether the network on sharp faces is measured too, and image super-resolution in front of it.
    """
    common = _Common(fabric, recipe, data, folder)
    make = MethodMaker(recipe.input, fabric.device)
    methods = list(_plain(common, make)) if plain else []
    for rival in RIVALS:
        if rival.name in chosen:
            network = common.trained(changed(recipe, rival.changes), rival.name)
            methods.append(make(f"{recipe.name}-{rival.name}", rival.title, network, [network]))
    return tuple(methods)


def on_sharp_faces(recipe: ComparisonRecipe) -> ComparisonRecipe:
    """The training of the start: the network without a generator, on sharp faces and labels alone."""
    changes = (
        *(*_NOTHING_TO_FOLLOW, "losses.reweight=false", "uplift.blocks=0"),
        *("views.shrunk=0", "views.max_factor=1.0", f"loop.batch_size={recipe.start_batch_size}"),
    )
    return changed(recipe, changes)


class _Common:
    """What the rivals of one seed share."""

    def __init__(self, fabric: Fabric, recipe: ComparisonRecipe, data: TrainingData, folder: Path) -> None:
        self.fabric, self.recipe, self.data, self.folder = fabric, recipe, data, folder
        self.sharp = on_sharp_faces(recipe)
        self.start = freeze(self._train(self.sharp, None, "start"))

    def trained(self, recipe: ComparisonRecipe, name: str) -> ResidualNet:
        """The common start, trained on by a recipe."""
        return freeze(self._train(recipe, self.start, name))

    def _train(self, recipe: ComparisonRecipe, start: ResidualNet | None, name: str) -> ResidualNet:
        """A network of a recipe from a start that may lack its generator and pooling, which begin as the identity."""
        folder = self.folder / name
        begin_or_resume(folder, recipe)
        network = residual_net(recipe.seed, recipe.input, recipe.architecture, recipe.uplift)
        if is_finished(folder):
            load_weights(network, folder / WEIGHTS_FILE)
            return network
        if start is not None:
            network.load_state_dict({**network.state_dict(), **start.state_dict()})
        data = by_majority(self.data) if recipe.labels == "majority" else self.data
        teacher = start if recipe.teacher == "start" else None
        trainer = FollowingTrainer(self.fabric, recipe, network, teacher, data.train, data.valid)
        loop.run(self.fabric, trainer, recipe.loop, folder, STAGE)
        network.load_state_dict(trainer.average.module.state_dict())
        save_weights(network, folder / WEIGHTS_FILE)
        plot_stages(folder)
        return network

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
        assert isinstance(described, PaperRecipe)
        short = shortened(described, self.recipe.loop.max_steps)
        return train_image_sr(self.fabric, short, self.data, self.folder)


def _plain(common: _Common, make: MethodMaker) -> tuple[Method, Method]:
    """The network trained on sharp faces for longer, on the enlarged picture and on the restored one."""
    longer, restorer = common.trained(common.sharp, "sharp"), common.restorer()
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

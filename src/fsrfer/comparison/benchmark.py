"""A whole benchmark: train every method of a recipe, measure all of them on the same faces, report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from lightning_fabric import Fabric

from fsrfer.comparison import paper, rivals
from fsrfer.comparison.measure import Faces, LabelledTrack, Method, measure
from fsrfer.comparison.outside import pictures_digest, read_answers, with_pictures
from fsrfer.comparison.plots import draw_features
from fsrfer.comparison.report import write_report
from fsrfer.comparison.store import Store
from fsrfer.data import readers
from fsrfer.errors import RecipeError
from fsrfer.output.figures import save_figure
from fsrfer.photo.recognizer import Recognizer
from fsrfer.recipes.comparison import ComparisonRecipe
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.schema import Recipe
from fsrfer.training.faces import TrainingData, load_training_data
from fsrfer.training.run import begin_or_resume, record_origin

FEATURE_MAP_FACTOR, FEATURE_MAP_FACES = 6, 600

BenchmarkRecipe = ComparisonRecipe | PaperRecipe


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is compared, and where its figures go.

    Attributes:
        recipe: of the methods that are trained.
        folder: of runs, figures and report.
        factors: of down-sampling.
        seeds: one round of training each.
        chosen: rivals of a comparison recipe to train alone; None for all.
        answers: outside models by name: the tables of their answers to the exported faces.
        restored: outside super-resolution by name: the folders of its pictures.
        models: model files and bundled models by name.
    """

    recipe: BenchmarkRecipe
    folder: Path
    factors: Sequence[float]
    seeds: Sequence[int]
    chosen: Sequence[str] | None = None
    answers: Mapping[str, Path] = field(default_factory=dict)
    restored: Mapping[str, Path] = field(default_factory=dict)
    models: Mapping[str, Path] = field(default_factory=dict)


def require_benchmark(recipe: Recipe, chosen: Iterable[str] | None) -> BenchmarkRecipe:
    """A recipe that methods can be compared by, with the rivals asked for.

    Raises:
        RecipeError: another recipe, or a rival that it does not have.
    """
    if not isinstance(recipe, BenchmarkRecipe):
        raise RecipeError(f"--recipe {recipe.name}: not a recipe to compare by; use paper-small, paper or comparison")
    if chosen is None:
        return recipe
    if isinstance(recipe, PaperRecipe):
        raise RecipeError(f"--rivals: of the recipe comparison; {recipe.name} trains all of its own")
    known = [rival.name for rival in rivals.RIVALS]
    if unknown := sorted(set(chosen) - set(known)):
        raise RecipeError(f"--rivals {' '.join(unknown)}: known are {', '.join(known)}")
    return recipe


def measured_split(name: str) -> str:
    """FER+ keeps its test part for the last word; elsewhere the test part is what papers report."""
    known = readers.SPLITS.get(name, ("test",))
    return "valid" if name == "ferplus" else known[-1]


def run(
    fabric: Fabric, plan: Benchmark, sources: Mapping[str, Path], faces: Faces, command: str, track: LabelledTrack
) -> Path:
    """Train, measure and report; what a former call finished is not done again.

    Args:
        fabric: where to train.
        plan: what is compared.
        sources: the one data set to train on, by name.
        faces: to measure on.
        command: that made the figures, for the report.
        track: shows progress.

    Returns:
        The report.
    """
    # That the folder holds figures of other faces is told before a training, not after it.
    Store.open(plan.folder, faces.subject, faces.labels)
    pictures: list[tuple[str, str]] = []
    target = plan.folder / "report"
    for number, seed in enumerate(plan.seeds):
        recipe = plan.recipe.model_copy(update={"seed": seed})
        if isinstance(recipe, PaperRecipe):
            trained, data = _train_paper(fabric, recipe, sources, plan.folder)
            methods: Sequence[Method] = trained.methods
            if number == 0:
                pictures = _feature_map(recipe, trained, data, target)
        else:
            methods = _train_rivals(fabric, recipe, sources, plan, first=number == 0)
        if number == 0:
            methods = [*methods, *_outside(plan, methods[0]), *_model_files(plan)]
        measure(methods, faces, plan.factors, seed, plan.folder, track)
    title = f"{plan.recipe.name} on {faces.subject.data} {faces.subject.split}"
    write_report(plan.folder, target, _reference(plan), command, title, pictures=pictures)
    return target / "report.md"


def _train_paper(
    fabric: Fabric, recipe: PaperRecipe, sources: Mapping[str, Path], folder: Path
) -> tuple[paper.Rivals, TrainingData]:
    run_folder = folder / "runs" / f"seed-{recipe.seed}"
    data = _begun(run_folder, recipe, sources)
    return paper.train_rivals(fabric, recipe, data, run_folder), data


def _begun(folder: Path, recipe: BenchmarkRecipe, sources: Mapping[str, Path]) -> TrainingData:
    """The faces that a run is trained on, which must be those that it was begun with."""
    begin_or_resume(folder, recipe)
    data = load_training_data(recipe, sources)
    record_origin(folder, {"data": {**data.train.hashes, **data.valid.hashes}})
    return data


def _train_rivals(
    fabric: Fabric, recipe: ComparisonRecipe, sources: Mapping[str, Path], plan: Benchmark, *, first: bool
) -> Sequence[Method]:
    """All rivals and the plain network with the first seed; with the others the finalists alone, or those asked for."""
    chosen = plan.chosen or ([rival.name for rival in rivals.RIVALS] if first else rivals.FINALISTS)
    folder = plan.folder / "runs" / recipe.name / f"seed-{recipe.seed}"
    data = _begun(folder, recipe, sources)
    return rivals.train_rivals(fabric, recipe, data, folder, chosen, plain=first)


def _reference(plan: Benchmark) -> str:
    """What the other methods are compared with: the full method, or the plain one where the full one was left out."""
    if isinstance(plan.recipe, PaperRecipe):
        return "fsr"
    full = f"{plan.recipe.name}-joint"
    return full if full in Store.load(plan.folder).runs() else f"{plan.recipe.name}-bicubic"


def _outside(plan: Benchmark, base: Method) -> list[Method]:
    """Outside models, by the tables or pictures they made of the exported faces."""
    exported = plan.folder / "exported"
    methods = []
    for name, path in plan.answers.items():
        predict = read_answers(path, exported)
        identity = sha256(path.read_bytes()).hexdigest()
        methods.append(Method(name, f"{name} (outside)", predict, identity=identity, timed=False))
    for name, path in plan.restored.items():
        title = f"{name} (outside pictures) + {base.title.removeprefix('bicubic + ')}"
        predict = with_pictures(base.predict, path, exported)
        identity = f"{pictures_digest(path, exported)}/{base.identity}"
        methods.append(
            replace(base, name=name, title=title, predict=predict, gflop=None, identity=identity, timed=False)
        )
    return methods


def _model_files(plan: Benchmark) -> list[Method]:
    """Model files and bundled models, as users run them."""
    methods = []
    for name, path in plan.models.items():
        recognizer = Recognizer(str(path))
        gflop = recognizer.info.gflop * (2 if recognizer.info.flip else 1)
        title = f"{name} (model file)"
        methods.append(Method(name, title, recognizer.probabilities, gflop=gflop, identity=recognizer.sha256))
    return methods


def _feature_map(recipe: PaperRecipe, trained: paper.Rivals, data: TrainingData, folder: Path) -> list[tuple[str, str]]:
    drawn = paper.feature_triples(recipe, trained.system, data, FEATURE_MAP_FACTOR, FEATURE_MAP_FACES)
    feat_hr, feat_lr, feat_sr, labels = (part.numpy() for part in drawn)
    title = f"features of validation faces at x{FEATURE_MAP_FACTOR}"
    save_figure(draw_features(feat_hr, feat_lr, feat_sr, labels, title), folder / "features.png")
    return [(f"Features before and after G, of validation faces at x{FEATURE_MAP_FACTOR}", "features.png")]

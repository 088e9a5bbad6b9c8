"""What others rely on, frozen: a change here is a change for every user, and belongs in the changelog."""

import argparse
import importlib
from dataclasses import fields
from inspect import signature

import pytest

import fsrfer
from fsrfer.cli.main import COMMANDS
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.photo.results import CROP_COLUMNS, FACE_COLUMNS, PhotoResult
from fsrfer.types import Expression, Face, Group

NAMES = {"Expression", "Face", "FsrferError", "Group", "PhotoResult", "Recognizer", "__version__"}

FIELDS = {
    Face: "box detection_score landmarks size_px expression probability probabilities certain too_small effective_px",
    Group: "faces uncertain too_small shares mean_probabilities",
    Expression: "size_px expression probability probabilities certain effective_px",
    PhotoResult: "source width height faces group error",
    ModelInfo: "name version labels size colour margin temperature temperatures certain_from certain_px flip gflop "
    "parameters training accuracy confusion",
}

METHODS = {
    "__init__": "model detector threads min_face",
    "predict": "image boxes channel_order",
    "classify": "crops channel_order",
}

OUTPUT, MODEL = "--format -o --output", "--model --threads"
OPTIONS = {
    "predict": f"{OUTPUT} --annotate --detector --boxes --min-face {MODEL}",
    "classify": f"{OUTPUT} {MODEL}",
    "info": "--format --model",
    "demo": f"--portrait -o --output {MODEL}",
    "train": "--data -o --output --resume --max-steps --set --devices --nodes --precision",
    "evaluate": "--data --split --factors --json --threads",
}


def test_names() -> None:
    assert set(fsrfer.__all__) == NAMES
    assert all(hasattr(fsrfer, name) for name in NAMES)


def test_labels_stand_in_raf_dbs_order() -> None:
    assert EXPRESSIONS == ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_fields_of_results(kind: type) -> None:
    # New fields may be added; those listed stay.
    assert set(FIELDS[kind].split()) <= {field.name for field in fields(kind)}


@pytest.mark.parametrize("method", METHODS)
def test_parameters_of_the_recognizer(method: str) -> None:
    parameters = [name for name in signature(getattr(fsrfer.Recognizer, method)).parameters if name != "self"]
    wanted = METHODS[method].split()
    assert parameters[: len(wanted)] == wanted


def test_columns() -> None:
    photo = "source width height face x1 y1 x2 y2 detection_score"
    face = "size_px effective_px expression probability certain"
    assert set(FACE_COLUMNS) >= {*photo.split(), *face.split(), "too_small", *EXPRESSIONS, "error"}
    assert set(CROP_COLUMNS) >= {"file", *face.split(), *EXPRESSIONS, "error"}


def test_commands() -> None:
    assert set(COMMANDS) >= set(OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_options_of_commands(command: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"fsrfer.cli.{command}").add_arguments(parser)
    offered = {option for action in parser._actions for option in action.option_strings}
    assert set(OPTIONS[command].split()) <= offered

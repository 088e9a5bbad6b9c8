"""The check of built distributions tells what they lack."""

import pytest

from check_distributions import ROOT, package_files, sdist_faults, wheel_faults

PACKAGE = {"fsrfer/__init__.py", "fsrfer/weights/default.onnx"}
LICENCE = "fsrfer-1.dist-info/licenses/LICENSE"


def test_weights_recipes_and_templates_are_of_the_package() -> None:
    files = package_files(ROOT)
    for wanted in ("fsrfer/weights/default.onnx", "fsrfer/recipes/default.toml", "fsrfer/py.typed"):
        assert wanted in files
    assert any("templates" in name for name in files)


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        ([*PACKAGE, LICENCE], []),
        (["fsrfer/__init__.py", LICENCE], ["lacks fsrfer/weights/default.onnx"]),
        ([*PACKAGE, "tests/conftest.py"], ["holds tests/conftest.py", "lacks LICENSE"]),
    ],
)
def test_a_wheel_holds_the_package_and_nothing_else(names: list[str], faults: list[str]) -> None:
    assert wheel_faults(names, PACKAGE) == faults


def test_a_source_distribution_holds_what_tests_need() -> None:
    found = sdist_faults(["fsrfer-1/src/fsrfer/__init__.py", "fsrfer-1/LICENSE"], PACKAGE)
    assert {"lacks conftest.py", "lacks CITATION.cff", "lacks src/fsrfer/weights/default.onnx"} <= set(found)
    assert "lacks LICENSE" not in found

"""Checks that the files that ``make dist`` has built hold what users and packagers need.

Run by ``make dist``: python tools/check_distributions.py dist
"""

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]

SOURCE_ONLY = (
    "tests/conftest.py",
    "conftest.py",
    "Makefile",
    "constraints.txt",
    "CITATION.cff",
    "CHANGELOG.md",
    "PKG-INFO",
    "deploy/Dockerfile",
    ".dockerignore",
)
"""What the source distribution must hold besides the package, to be built, tested and cited."""


def package_files(root: Path) -> set[str]:
    """Every file of the package, weights, recipes and templates among them, by its name below ``src``."""
    files = (path for path in (root / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root / "src").as_posix() for path in files if "egg-info" not in str(path)}


def wheel_faults(names: Iterable[str], package: set[str]) -> list[str]:
    """What a wheel lacks, and what it holds that is not of the package."""
    held = {name for name in names if ".dist-info/" not in name}
    licences = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    return [
        *(f"lacks {name}" for name in sorted(package - held)),
        *(f"holds {name}" for name in sorted(held - package)),
        *([] if licences else ["lacks LICENSE"]),
    ]


def sdist_faults(names: Iterable[str], package: set[str]) -> list[str]:
    """What a source distribution lacks; its names begin with a folder of its own."""
    held = {name.partition("/")[2] for name in names}
    wanted = {*SOURCE_ONLY, "LICENSE", "README.md", "pyproject.toml", *(f"src/{name}" for name in package)}
    return [f"lacks {name}" for name in sorted(wanted - held)]


def main(folder: Path) -> int:
    """Check both distributions in a folder; returns the exit code."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    package = package_files(ROOT)
    with zipfile.ZipFile(wheel) as opened:
        faults = {wheel: wheel_faults(opened.namelist(), package)}
    with tarfile.open(sdist) as archive:
        faults[sdist] = sdist_faults(archive.getnames(), package)
    for path, found in faults.items():
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {'; '.join(found) or 'complete'}")
    return 1 if any(faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

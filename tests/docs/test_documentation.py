"""The documentation's commands are understood by the command line, and its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from fsrfer.cli.main import COMMANDS, _parser

ROOT = Path(__file__).parents[2]
CARD = ROOT / "src" / "fsrfer" / "weights" / "MODEL_CARD.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md", CARD]

_BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OPERATOR = re.compile(r" (?:\|\|?|&&) ")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def commands_of(text: str) -> list[list[str]]:
    """Arguments of every ``fsrfer`` command in the shell blocks of a page."""
    lines = "\n".join(_BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    words = [shlex.split(_OPERATOR.split(line)[0], comments=True) for line in lines]
    return [line[1:] for line in words if line and Path(line[0]).name == "fsrfer"]


def anchors_of(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def unindented(code: str) -> str:
    """Code line by line, wherever it stands."""
    return "\n".join(line.strip() for line in code.strip().splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_understood(page: Path) -> None:
    for arguments in commands_of(page.read_text(encoding="utf-8")):
        if arguments != ["--version"]:
            assert _parser(arguments).parse_args(arguments).command in COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors_of(path), f"{link}: {path.name} has no such heading"


def test_every_command_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"## fsrfer {name}" not in reference] == []


def test_every_rival_of_the_comparison_is_explained() -> None:
    from fsrfer.comparison.rivals import FINALISTS, RIVALS

    page = (ROOT / "docs" / "how-to" / "compare.md").read_text(encoding="utf-8")
    _, _, rest = page.partition("## One small network and its rivals\n")
    table, _, _ = rest.partition("\n## ")
    names = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert names == ["bicubic", "image-sr", *(rival.name for rival in RIVALS)]
    assert "the finalists " + "`{}`, `{}` and `{}`".format(*FINALISTS) in " ".join(page.split())


def test_code_that_is_quoted_is_the_code() -> None:
    page = (ROOT / "docs" / "explanation" / "training.md").read_text(encoding="utf-8")
    quoted = [
        block for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if ">>>" not in block
    ]
    sources = [
        unindented(path.read_text(encoding="utf-8")) for path in (ROOT / "src" / "fsrfer" / "training").glob("*.py")
    ]
    assert len(quoted) > 5
    assert [block for block in quoted if not any(unindented(block) in source for source in sources)] == []

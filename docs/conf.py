"""How Sphinx makes the documentation's site (``make site``): from the same pages that are read in the repository."""

import shutil
from pathlib import Path

from pygments.lexers import TextLexer
from sphinx.application import Sphinx

from fsrfer import __version__

project = "fsrfer"
author = "The fsrfer maintainers"
version = release = __version__

extensions = ["myst_parser"]
# The source folder is the repository, so that the links of the pages hold as they stand.
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/**/*.md",
    "benchmarks/README.md",
    "src/fsrfer/weights/MODEL_CARD.md",
    "src/fsrfer/weights/legible/MODEL_CARD.md",
]

myst_heading_anchors = 4

html_theme = "furo"
html_title = f"fsrfer {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_search_summary = False  # browsers refuse to fetch the pages of a folder for it

CONTENTS = """
```{toctree}
:hidden:
:caption: Start

docs/tutorial
```

```{toctree}
:hidden:
:caption: How to
:glob:

docs/how-to/*
```

```{toctree}
:hidden:
:caption: Reference
:glob:

docs/reference/*
src/fsrfer/weights/MODEL_CARD
src/fsrfer/weights/legible/MODEL_CARD
```

```{toctree}
:hidden:
:caption: Explanation
:glob:

docs/explanation/*
```

```{toctree}
:hidden:
:caption: Project

CHANGELOG
CONTRIBUTING
SECURITY
docs/decisions/README
benchmarks/README
```
"""

RECORDS = """
```{toctree}
:hidden:
:glob:

0*
archive/*
```
"""

UNLISTED = """---
orphan: true
---
"""

APPENDED = {"README": CONTENTS, "docs/decisions/README": RECORDS}


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append what the side bar lists, which would be clutter in the page itself; reports are reached by links alone."""
    source[0] = (UNLISTED if page.startswith("docs/results/") else "") + source[0] + APPENDED.get(page, "")


def add_start_page(app: Sphinx, exception: Exception | None) -> None:
    """Let the site begin where browsers and servers look for it."""
    if exception is None:
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    """Connect both to Sphinx, which has no colours for CSV."""
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_start_page)

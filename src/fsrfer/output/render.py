"""Templates filled with values: whatever text comes in is escaped, and nothing is ever declared safe."""

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """A file of ``templates/`` filled with values.

    Args:
        template: its name.
        values: by the names that the template uses. One that is missing is an error, not a gap.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> "Environment":
    # Imported here so that importing the package, and recognition without a page, stay quick.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fsrfer.output"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = "{:.0%}".format
    environment.filters["csp_hash"] = _csp_hash
    # What JSON holds is checked by its makers; an infinite number would be no JSON at all.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _csp_hash(template: str) -> str:
    """How a content security policy names the text of a file of ``templates/`` that stands in the page."""
    digest = hashlib.sha256(render(template).encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"

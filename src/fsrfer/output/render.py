"""Templates filled with values: whatever text comes in is escaped, and nothing is ever declared safe."""

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
    return environment

"""The one place that withholds what would speak of too few people."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from fsrfer.group.counting import Counts
from fsrfer.types import Group

MIN_GROUP = 5
"""People of the smallest group that is reported, unless the user says otherwise."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SmallestGroup:
    """Nothing is reported of fewer people than ``least``; 0 withholds nothing.

    Example:
        >>> SmallestGroup(5).figure(4, "happiness 100%"), SmallestGroup(5).counts({"8-12": 2, "12-16": 7})
        (None, {'8-12': None, '12-16': 7})
    """

    least: int = 0

    def allows(self, people: int) -> bool:
        """Whether a group of so many may be reported."""
        return people >= self.least

    def figure(self, people: int, value: T) -> T | None:
        """A figure that speaks of so many, or None where they are too few."""
        return value if self.allows(people) else None

    def counts(self, people: Mapping[str, int]) -> dict[str, int | None]:
        """Counts by name, each withheld where it is too small."""
        return {name: self.figure(count, count) for name, count in people.items()}

    def group(self, counts: Counts) -> Group | None:
        """Plain counts, or None of too few people; shares of expressions that too few people show are left out."""
        group, allowed = counts.group, self.counts(counts.by_expression)
        shares = {name: share for name, share in group.shares.items() if allowed[name] is not None}
        return self.figure(counts.counted, replace(group, shares=shares))

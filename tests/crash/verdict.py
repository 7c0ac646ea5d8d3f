"""What is found wrong after a disturbance, whatever it was."""

from collections.abc import Iterator
from dataclasses import dataclass

WAYS = ("lost", "doubled", "unfinished", "other")
"""In which something may be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of a case; each list names what is wrong.

    Attributes:
        reached: Whether the disturbance met the work at all: what was to be disturbed may lie beyond its end.
    """

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    reached: bool = True

    @property
    def ways(self) -> tuple[str, ...]:
        """In which ways it is wrong."""
        return tuple(way for way in WAYS if getattr(self, way))

    @property
    def good(self) -> bool:
        return not self.ways

    def lines(self) -> Iterator[str]:
        for way in self.ways:
            yield from (f"{way}: {text}" for text in getattr(self, way))

"""What the suite and the rigs speak in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from connectors.base import Row

ALWAYS = 1_000_000
"""Times a lasting fault strikes."""
PAGE = 5
"""Rows in a page, so that a small world has many pages."""

Change = Callable[[Mapping[str, Row]], bool]
"""Whether the rows held, by id, show what somebody changed."""


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The vendor has no such notion."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The vendor has it and our connector does not do it right, yet: the case must fail until it does."""

    reason: str


Exceptions = Mapping[str, NotApplicable | Gap]
"""Case, or "case[stream]", or "case[parameter]" -> why it is not a plain yes."""


def keys(case: str, parts: str, stream: str) -> list[str]:
    """Where a test may stand in a rig's table, the narrowest first: by all its parameters, by stream, as a whole."""
    return [f"{case}[{part}]" for part in dict.fromkeys((parts, stream)) if part] + [case]


def mark(held: NotApplicable | Gap) -> pytest.MarkDecorator:
    """A line of a table as a pytest mark. A gap that starts to pass fails the build."""
    if isinstance(held, Gap):
        return pytest.mark.xfail(strict=True, reason=f"gap: {held.reason}")
    return pytest.mark.skip(reason=f"not applicable: {held.reason}")

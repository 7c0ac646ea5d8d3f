"""What can go wrong in scoring, sorted by who must act.

ScoringError
├── CardError      fix the scorecard: says file, dotted key, what is wrong, what is allowed, the nearest right name
└── InputsError    the tables handed in do not have the promised columns or types
"""

import difflib
from collections.abc import Iterable


class ScoringError(Exception):
    """Anything scoring raises."""


class CardError(ScoringError):
    """A scorecard that cannot be used.

    Args:
        problem: What is wrong and what is allowed, in one sentence.
        key: Dotted place in the card, such as "account.signals.login.curve".
        file: The card's file name; empty when it did not come from a file.
    """

    def __init__(self, problem: str, *, key: str = "", file: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.key = key
        self.file = file

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.problem) if part)


class InputsError(ScoringError):
    """A table does not match the contract in `scoring.inputs`."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`'; did you mean X?'` for the allowed name most like `name`, or nothing when none is."""
    found = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""

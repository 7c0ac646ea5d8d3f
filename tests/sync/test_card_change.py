"""A changed scorecard is named in the plan with what it alone does to bands, and held when that is too much."""

import pytest

from sync.card_change import compared
from sync.guard import Limits
from tests.scoring.rows import score_row


def test_what_a_card_changes_is_said_by_number_and_kind() -> None:
    old = [score_row(f"A{n}", "green", computed="green") for n in range(5)]
    new = [score_row(f"A{n}", "green", computed="yellow" if n < 2 else "green") for n in range(1, 6)]
    change = compared(old, new)
    assert change.accounts == 6
    assert change.moves == {"A0": ("green", "not scored"), "A1": ("green", "yellow"), "A5": ("not scored", "green")}
    assert change.note == (
        "The scorecard changed: before margins, waiting and overrides, 3 accounts change band because of it "
        "(1 green to not scored, 1 green to yellow, 1 not scored to green)."
    )
    assert compared(old, old).note == (
        "The scorecard changed: before margins, waiting and overrides, no account changes band because of it."
    )


@pytest.mark.requirement("R126")
@pytest.mark.parametrize(("number", "held"), [(10, False), (11, True)])
def test_the_guard_holds_a_card_that_moves_too_many(number: int, *, held: bool) -> None:
    old = [score_row(f"A{n}", "green", computed="green") for n in range(100)]
    new = [score_row(f"A{n}", "green", computed="red" if n < number else "green") for n in range(100)]
    verdict = compared(old, new).verdict(Limits())
    assert (verdict.check, verdict.measured, verdict.allowed, verdict.held) == ("card", number, 10, held)
    assert "Of 100 accounts 10 may." in verdict.text

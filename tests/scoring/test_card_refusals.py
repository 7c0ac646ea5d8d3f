"""Cards that contradict themselves are refused with the key and what is wrong."""

from importlib import resources

import pytest

from scoring.card import Scorecard
from scoring.errors import CardError

DEFAULT = resources.files("scoring").joinpath("default.toml").read_text("utf-8")

STEP = """
[[playbooks.rescue.steps]]
name = "again"
after_days = 1
subject = "Call {account}"
body = "Ask."
"""
MANY = ", ".join(f'"e{number}"' for number in range(64))


@pytest.mark.parametrize(
    ("more", "key", "words"),
    [
        (STEP + STEP, "playbooks.rescue", "two steps have the same name"),
        (STEP.replace("Ask.", "Ask: {link}"), "playbooks.rescue", "{link} needs the address in link"),
        ('[suppress.quiet]\nreason = "Later"\n', "suppress.quiet", "needs when (a rule), since (a feature), or both"),
        ('[product.plans]\nTeam = ["a"]\nteam = ["b"]\n', "product.plans", "names a plan twice"),
        (f"[product.plans]\nteam = [{MANY}]\n", "product.plans", "events in all"),
        (
            STEP.replace("after_days = 1", 'owner = "the_boss"'),
            "playbooks.rescue.steps.0.owner",
            "must be account_owner, fallback, role:NAME or least_loaded:NAME (of [team.roles])",
        ),
        (f"[product]\nonboarding = [{MANY}]\n", "product.onboarding", "names more than"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(more: str, key: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        Scorecard.parse(f"{DEFAULT}\n{more}", "mine.toml")
    assert caught.value.key.startswith(key)
    assert words in str(caught.value)
    assert "mine.toml" in str(caught.value)

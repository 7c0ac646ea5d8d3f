"""Cards whose rules were checked before: taken without the SQL parser, and only they."""

import subprocess
import sys
from pathlib import Path

import pytest

from scoring.card import LEVELS, Scorecard
from scoring.cards import Cards
from scoring.errors import CardError
from scoring.features import catalogue
from scoring.matching import named
from scoring.segments import words_of

ROOT = Path(__file__).parent.parent.parent
DEFAULT = (ROOT / "scoring" / "default.toml").read_text(encoding="utf-8")


def test_a_card_that_passed_is_the_same_card() -> None:
    card = Scorecard.load()
    again = Scorecard.load(passed=[card.model_dump_json()])
    assert again.model_dump() == card.model_dump()
    assert again.fingerprint == card.fingerprint
    for level in LEVELS:
        assert list(again.features(level)) == list(card.features(level))


def test_a_card_that_did_not_pass_is_checked(tmp_path: Path) -> None:
    passed = [Scorecard.load().model_dump_json()]
    other = tmp_path / "card.toml"
    other.write_text(DEFAULT.replace("red_below = ", "red_below = 1 #"), encoding="utf-8")
    assert Cards.load([other], passed).cards[0].bands.red_below == 1
    other.write_text(DEFAULT + '\n[account.segments.odd]\nlabel = "Odd"\nrule = "no_feature > 1"\n', encoding="utf-8")
    with pytest.raises(CardError, match="no_feature"):
        Cards.load([other], passed)
    other.write_text("name = ", encoding="utf-8")
    with pytest.raises(CardError, match="not valid TOML"):
        Cards.load([other], passed)


def test_a_card_that_passed_needs_no_parser() -> None:
    code = (
        "import sys\n"
        "from scoring.card import Scorecard\n"
        "card = Scorecard.load(passed=[sys.stdin.read()])\n"
        "assert card.features('account') and card.segment_names()\n"
        "assert 'sqlglot' not in sys.modules\n"
    )
    said = Scorecard.load().model_dump_json()
    done = subprocess.run(
        [sys.executable, "-c", code], input=said, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "rule",
    [
        "mrr >= 50000 AND (customer_age_days < 200 OR NOT open_tickets > 1)",
        "lifecycle = 'mrr' AND mrr > 1",
        "lifecycle = 'it''s mrr' AND mrr > 1",
        '"mrr" > 1 -- customer_age_days',
        "mrr > 1 /* customer_age_days\n */",
    ],
)
def test_a_rule_s_words_are_the_features_it_names(rule: str) -> None:
    known = catalogue("account")
    assert words_of(rule) & known.keys() == named(rule, known)

"""Roles of people, by their parts in deals and their titles."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scoring.card import Scorecard
from scoring.engine import score
from scoring.errors import CardError
from scoring.hierarchy import Hierarchy
from scoring.roles import ROLES, Roles
from tests.scoring.worlds import KINDS, NOW, World, account, contact, empty, feeds, store

DAY = 86400


def people(*titles: str | None, parts: dict[int, tuple[str, ...]] | None = None, **more: Any) -> World:
    """One account with a person for each title; a part in deals for some, by their place from 1 on."""
    held = [{"contact": person, "role": part} for person, named in (parts or {}).items() for part in named]
    return empty() | {
        "account": [account(1)],
        "contact": [contact(i, 1, title=title) for i, title in enumerate(titles, 1)],
        "contact_role": held,
        "feed": feeds(*KINDS),
        **more,
    }


def roles(card: Scorecard, world: World, folder: Path) -> list[Any]:
    return [row.features["role"] for row in score(card, store(world, folder)) if row.level == "contact"]


def facts(world: World, folder: Path) -> list[Any]:
    """Sponsors active and known and buyers known of the account."""
    names = ("sponsors_active", "sponsors_known", "buyers_known")
    text = Path("scoring/default.toml").read_text("utf-8")
    rule = " OR ".join(f"{name} >= 0" for name in names)
    card = Scorecard.parse(f'{text}\n[account.segments.led]\nlabel = "x"\nrule = "{rule}"\n')
    (row,) = [row for row in score(card, store(world, folder)) if row.level == "account"]
    return [row.features[name] for name in names]


@pytest.mark.requirement("R71")
def test_titles_tell_the_role(card: Scorecard, tmp_path: Path) -> None:
    said = {
        "CEO": "executive_sponsor",
        "VP, Sales": "executive_sponsor",
        "Co-Founder": "executive_sponsor",
        "Executive Assistant to the CEO": "user",
        "CFO": "economic_buyer",
        "Head of Finance": "economic_buyer",
        "Head of Support": "team",
        "Project manager (interim)": "team",
        "Support (Lead)": "team",
        "END_USER;BUDGET_HOLDER": "economic_buyer",
        "Data Analyst": "user",
        "Mischief maker": None,
        "": None,
    }
    assert roles(card, people(*said, None), tmp_path) == [*said.values(), None]


@pytest.mark.requirement("R71")
def test_the_page_tells_every_word() -> None:
    page = Path("docs/hierarchy.md").read_text("utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    told = [(name.split("`")[1], tuple(word.strip().lower() for word in words.split(","))) for name, words in rows]
    words = Roles()
    wanted = [("user", words.helper), *((role, getattr(words, role)) for role in reversed(ROLES))]
    assert told == wanted


@pytest.mark.requirement("R71")
def test_the_page_shows_settings_that_work() -> None:
    page = Path("docs/hierarchy.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    text = Path("scoring/default.toml").read_text("utf-8")
    card = Scorecard.parse("\n".join([text, *(block for block in blocks if "[roles]" in block or "rules." in block)]))
    assert card.roles.economic_buyer == ("geschäftsführer", "einkauf")
    assert card.account.rules["silent_sponsor"].when == "sponsors_active = 0"
    (settings,) = [block for block in blocks if "[hierarchy]" in block]
    assert len(Hierarchy.model_validate(tomllib.loads(settings)["hierarchy"]).fields) == 3


@pytest.mark.requirement("R71")
def test_the_part_in_a_deal_counts_before_the_title(card: Scorecard, tmp_path: Path) -> None:
    parts = {1: ("END_USER",), 2: ("Influencer", "Executive Sponsor"), 3: ("Other",), 4: ("Economic Decision Maker",)}
    world = people("CEO", "Analyst", "CFO", None, parts=parts)
    assert roles(card, world, tmp_path) == ["user", "executive_sponsor", "economic_buyer", "economic_buyer"]


@pytest.mark.requirement("R71")
def test_a_card_says_other_words(tmp_path: Path) -> None:
    text = Path("scoring/default.toml").read_text("utf-8")
    card = Scorecard.parse(text + "\n[roles]\neconomic_buyer = ['Geschäftsführer', 'it-leitung']\n")
    world = people("GESCHÄFTSFÜHRER", "IT Leitung", "CFO", "CEO")
    assert roles(card, world, tmp_path) == ["economic_buyer", "economic_buyer", None, "executive_sponsor"]
    assert Roles(team=()).team == ()
    with pytest.raises(CardError, match="roles"):
        Scorecard.parse(text + "\n[roles]\nboss = ['x']\n")
    with pytest.raises(ValidationError, match="at least two letters"):
        Roles(user=("100%",))


@pytest.mark.requirement("R71")
def test_a_rule_may_name_the_role(tmp_path: Path) -> None:
    text = Path("scoring/default.toml").read_text("utf-8")
    rule = "\n[contact.segments.buyer]\nlabel = 'x'\nrule = \"role = 'economic_buyer'\"\n"
    rows = score(Scorecard.parse(text + rule), store(people("CFO", "CEO"), tmp_path))
    assert [("buyer" in row.segments) for row in rows if row.level == "contact"] == [True, False]


@pytest.mark.requirement("R71")
@pytest.mark.parametrize(("age", "inbound", "active"), [(89, 1, 1), (90, 1, 0), (1, 0, 0)])
def test_sponsors_who_speak_with_us(tmp_path: Path, age: int, inbound: int, active: int) -> None:
    mail = {"account": 1, "contact": 1, "activity": "email", "inbound": inbound}
    world = people("CEO", "CFO", "Poet", activity=[{**mail, "happened_at": NOW - 600 - age * DAY, "closed": None}])
    assert facts(world, tmp_path) == [active, 1, 1]


@pytest.mark.requirement("R71")
def test_no_sponsor_known_is_not_a_silent_sponsor(tmp_path: Path) -> None:
    assert facts(people("Poet"), tmp_path / "a") == [None, 0, 0]
    assert facts(people("CEO") | {"feed": []}, tmp_path / "b") == [None, None, None]

from pathlib import Path

import pytest

from scoring.card import Scorecard
from scoring.errors import CardError
from scoring.features import CATALOGUE
from scoring.features.segments import SEGMENTS
from scoring.statement import _Builder

DEFAULT = Path(__file__).parents[2] / "scoring" / "default.toml"


def changed(old: str, new: str) -> str:
    text = DEFAULT.read_text("utf-8")
    assert old in text
    return text.replace(old, new, 1)


def test_the_default_card_asks_for_no_warning(card: Scorecard) -> None:
    assert card.warnings() == ()
    assert card.segment_names() == ("at_risk", "do_not_survey", "dormant", "expansion", "new", "power")
    assert list(card.account.signals) == ["login", "active_users", "usage", "tickets", "satisfaction", "payment"]
    assert card.playbook_of("red").priority == "high"
    assert not card.playbook_of("unknown").task


def test_a_card_is_loaded_from_a_file(tmp_path: Path, card: Scorecard) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(changed("red_below = 40", "red_below = 35"), "utf-8")
    mine = Scorecard.load(path)
    assert mine.bands.red_below == 35
    assert mine.fingerprint != card.fingerprint
    assert Scorecard.load().fingerprint == card.fingerprint


MISTAKES = {
    "unknown key": ("weight = 15", "wieght = 25", "account.signals.login.wieght: unknown key; did you mean 'weight'?"),
    "unknown band key": ("red_below", "red_bellow", "bands.red_bellow: unknown key; did you mean 'red_below'?"),
    "unknown table": ("[freshness]", "[freshnes]", "freshnes: unknown key; did you mean 'freshness'?"),
    "missing": ("weight = 15\n", "", "account.signals.login.weight: missing"),
    "wrong type": ("weight = 15", 'weight = "15"', "account.signals.login.weight: Input should be a valid integer"),
    "gap in the bands": ('green = "none"\n', "", "bands.playbooks.green: missing: every band maps to a playbook"),
    "unknown playbook": ('red = "rescue"', 'red = "resque"', "bands.playbooks.red: unknown playbook 'resque'; did you"),
    "acting on unknown": ('unknown = "wait"', 'unknown = "rescue"', "bands.playbooks.unknown: what is not known is no"),
    "unknown feature": ('"active_share"', '"active_shares"', "account.signals.active_users.feature: unknown feature"),
    "internal feature": ('"active_share"', '"usage_ratio"', "account.signals.active_users.feature: unknown feature"),
    "text feature": ('"active_share"', '"plan"', "account.signals.active_users.feature: plan is a text; a curve needs"),
    "falling values": ("[[2, 5], [7, 4]", "[[7, 5], [2, 4]", "account.signals.login.curve: values must rise"),
    "up and down": ("[[2, 5], [7, 4]", "[[2, 4], [7, 5]", "account.signals.login.curve: points must only rise or only"),
    "too many points": ("[[2, 5], [7, 4]", "[[2, 6], [7, 4]", "account.signals.login.curve: points must lie between 1"),
    "too fine points": (
        "[[2, 5], [7, 4]",
        "[[2, 5], [7, 4.125]",
        "account.signals.login.curve: points have at most two",
    ),
    "no number": ("[[2, 5], [7, 4]", "[[2, nan], [7, 4]", "account.signals.login.curve"),
    "huge knot": ("[30, 1.5], [45, 1]]", "[9999999999999, 1]]", "account.signals.login.curve: values must lie within"),
    "missing is bad": (
        "weight = 15",
        "weight = 15\nmissing = 1",
        "account.signals.login.missing: must be 'unknown' or",
    ),
    "figures for customers": (
        '"recent feedback"',
        '"score 3"',
        "account.signals.satisfaction.customer: must be a class",
    ),
    "no playbook": ('playbook = "rescue"\n', "", "account.signals.login.playbook: missing"),
    "reason asks nonsense": ("for {days_since_login}", "for {days}", "account.signals.login.reason: unknown feature"),
    "reason with a lone brace": ("no login for", "no } login for", "account.signals.login.reason: a brace without"),
    "task asks nonsense": ("Call {account}", "Call {acount}", "playbooks.rescue.subject: unknown placeholder {acount}"),
    "task with a lone brace": ("Call {account}", "Call {account", "playbooks.rescue.subject: a brace without its"),
    "task without words": (
        'subject = "Check in with {account}"',
        "",
        "playbooks.check_in: a playbook with a task needs",
    ),
    "silence without reason": ("task = false\n", "", "playbooks.none: a playbook with a task needs"),
    "no reason": (
        'reason = "Things go well: nobody needs to be disturbed."',
        "",
        "playbooks.none: a playbook without a",
    ),
    "bands cross": ("green_from = 70", "green_from = 30", "bands: red_below (40) must not lie above green_from (30)"),
    "freshness crosses": (
        "none_hours = 168",
        "none_hours = 24",
        "freshness: full_hours (24) must lie below none_hours",
    ),
    "name set inside": ("weight = 15", 'weight = 15\nname = "x"', "'login': 'name' is the heading of the table"),
    "bad name": (
        "[account.signals.login]",
        "[account.signals.Login]",
        "account.signals.Login.name: String should match",
    ),
    "unknown segment": ('outranks = ["dormant"]', 'outranks = ["dorment"]', "account.segments.new.outranks: unknown"),
    "bad rule": ("customer_age_days < 30", "customer_age < 30", "account.segments.new.rule: unknown feature"),
    "segment not a table": ("[account.segments.new]", '[account]\nsegments = "x"\n[y]', "not valid TOML"),
    "not TOML": ("[bands]", "[bands", "not valid TOML"),
    "many": ("weight = 15", "wieght = 25\ncurv = 1", "(and 2 more)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place_and_the_right_name(mistake: str) -> None:
    old, new, said = MISTAKES[mistake]
    with pytest.raises(CardError) as error:
        Scorecard.parse(changed(old, new), "mine.toml")
    assert str(error.value).startswith("mine.toml: ")
    assert said in str(error.value)


@pytest.mark.requirement("R35")
def test_ten_segments_and_no_more_unless_allowed() -> None:
    more = "".join(f'\n[account.segments.more_{i}]\nlabel = "More"\nrule = "open_tickets >= {i}"\n' for i in range(5))
    with pytest.raises(CardError, match=r"account.segments: 11 segments; at most 10 \(segment_limit\)"):
        Scorecard.parse(DEFAULT.read_text("utf-8") + more)
    allowed = changed('name = "SaaS default"', 'name = "SaaS default"\nsegment_limit = 11') + more
    assert len(Scorecard.parse(allowed).segment_names()) == 11


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"gone\.toml: cannot be read: No such file"):
        Scorecard.load(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(CardError, match="is not UTF-8: byte 11"):
        Scorecard.load(tmp_path / "latin.toml")


MAKES_DO = {"project_days": {"subscriptions"}, "days_since_growth": {"mrr_growth_age", "upgrades_365d"}}
"""Feature -> what it takes into account where there is a source of it, and does without elsewhere."""


def test_the_catalogue_says_what_each_feature_needs(wide_card: Scorecard) -> None:
    """A feature needs at least the kinds of record that what it is computed from needs."""
    for level in ("account", "contact"):
        builder = _Builder((wide_card,), level)
        known = builder.known  # with what the card says of events filled in
        for feature in known.values():
            if feature in SEGMENTS:
                continue  # the layers make do with whatever there is
            for name in builder._inputs(feature) - MAKES_DO.get(feature.name, set()):
                assert set(known[name].kinds) <= set(feature.kinds), (feature.name, name)
    assert len({(f.name, level) for f in CATALOGUE for level in f.levels}) == sum(len(f.levels) for f in CATALOGUE)
    assert all(f.meaning.endswith(".") and len(f.meaning) < 200 for f in CATALOGUE)


def test_a_card_that_has_not_changed_is_not_compiled_again(tmp_path: Path) -> None:
    file = tmp_path / "card.toml"
    file.write_bytes(DEFAULT.read_bytes())
    first = Scorecard.load(file)
    assert Scorecard.load(file) is first
    file.write_text(DEFAULT.read_text("utf-8").replace("red_below = 40", "red_below = 41"), "utf-8")
    assert Scorecard.load(file).bands.red_below == 41
    assert first.bands.red_below == 40

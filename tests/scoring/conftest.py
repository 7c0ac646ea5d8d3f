import pytest

from scoring.card import Scorecard
from scoring.features import CATALOGUE


@pytest.fixture(scope="session")
def card() -> Scorecard:
    """The card that comes with the program; compiled once."""
    return Scorecard.load()


@pytest.fixture(scope="session")
def wide_card() -> Scorecard:
    """A card that uses every feature, both shapes of curve, a value for missing and several segments that outrank."""
    text = """
        name = "wide"
        segment_limit = 100
        [bands]
        red_below = 45
        green_from = 60
        min_coverage = 30
        [bands.playbooks]
        red = "act"
        yellow = "idle"
        green = "idle"
        unknown = "idle"
        [freshness]
        full_hours = 2
        none_hours = 100
        [playbooks.act]
        subject = "{account}"
        body = "{drivers}"
        [playbooks.idle]
        task = false
        reason = "nothing to do"
        """
    for level in ("account", "contact"):
        public = [f for f in CATALOGUE if level in f.levels and not f.internal]
        for i, feature in enumerate(f for f in public if not f.is_text):
            text += f"""
        [{level}.signals.s_{feature.name}]
        feature = "{feature.name}"
        weight = {1 + i % 5}
        curve = {["[[-50, 1], [3, 2.75], [7, 3], [60, 5]]", "[[1, 4.5], [10, 3.25], [40, 1.33]]"][i % 2]}
        shape = "{["linear", "steps"][i % 3 == 0]}"
        missing = {['"unknown"', "3", "4.25"][i % 4 % 3]}
        reason = "it's {{{feature.name}}}{" of {plan}" if level == "account" else " of {title}"}"
        customer = "words"
        playbook = "act"
        """
        for feature in public:
            known = f"{feature.name} <> ''" if feature.is_text else f"{feature.name} >= 1"
            text += f"""
        [{level}.segments.has_{feature.name}]
        label = "x"
        rule = "{known} AND NOT ({feature.name} IS NULL)"
        outranks = {["[]", '["has_open_tickets"]'][feature.name == "tickets_28d"]}
        """
    return Scorecard.parse(text)

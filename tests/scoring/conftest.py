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
        [product]
        key_actions = ["a", "c"]
        daily = ["a"]
        weekly = ["b", "c"]
        monthly = ["d"]
        onboarding = ["a", "c", "d"]
        content = ["b", "it's"]
        [product.plans]
        Team = ["a", "b", "c", "it's"]
        free = ["a", "d"]
        [product.sessions]
        start = "c"
        beat = "a"
        minutes = 7
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
        numbers = [f for f in public if not f.is_text]
        # Every fourth is a signal: each is compared with each other, which is slow to compile for all.
        for i, feature in enumerate(numbers[::4]):
            text += f"""
        [{level}.signals.s_{feature.name}]
        feature = "{feature.name}"
        weight = {1 + i % 5}
        curve = {["[[-50, 1], [3, 2.75], [7, 3], [60, 5]]", "[[1, 4.5], [10, 3.25], [40, 1.33]]"][i % 2]}
        shape = "{["linear", "steps"][i % 3 == 0]}"
        missing = {['"unknown"', "3", "4.25"][i % 4 % 3]}
        reason = "it's {{{numbers[(i * 4 + 1) % len(numbers)].name}}} of {{{public[-1].name}}}"
        customer = "words"
        playbook = "act"
        """
        rules = [f"{f.name} <> ''" if f.is_text else f"{f.name} >= 1" for f in public]
        for i, (feature, rule) in enumerate(zip(public[::3], rules[::3], strict=True)):
            others = [f"{more.name} IS NULL" for more in public[3 * i + 1 : 3 * i + 3]]
            text += f"""
        [{level}.segments.has_{feature.name}]
        label = "x"
        rule = "{" OR ".join([rule, *others])}"
        outranks = {["[]", f'["has_{public[0].name}"]'][i % 5 == 1]}
        """
    return Scorecard.parse(text)

"""Random scorecards: signals of several families, rules, segments, conditions on whom they score."""

import random

from scoring.card import Scorecard
from scoring.cards import Cards

FEATURES = {
    "account": ("days_since_login", "usage_change", "open_tickets", "satisfaction", "overdue_days", "active_share",
                "customer_age_days", "inbound_90d"),
    "contact": ("days_since_login", "open_tickets", "active_days_28d"),
}  # fmt: skip
RULES = (
    "open_tickets >= 2", "usage_change <= -30 AND open_tickets >= 1", "is_detractor = 1", "overdue_days > 3",
    "COALESCE(failed_payments, 0) = 0 AND days_since_login > 5", "mrr >= 100 OR mrr IS NULL",
)  # fmt: skip
CURVES = (
    "[[0, 4.5], [3, 3], [9, 1]]", "[[2, 5], [7, 4], [40, 1.25]]",
    "[[-40, 1], [0, 3], [30, 5]]", "[[1, 2.5], [50, 3.75]]"
)  # fmt: skip


def card_text(dice: random.Random, name: str, only: str) -> str:
    """A card as TOML."""
    text = f"""
name = "{name}"
[bands]
red_below = {dice.choice([30, 45])}
green_from = {dice.choice([55, 70])}
min_coverage = {dice.choice([20, 50])}
red_families = {dice.choice([1, 2, 3])}
[bands.playbooks]
red = "act"
yellow = "act"
green = "idle"
unknown = "idle"
[freshness]
full_hours = 24
none_hours = 90
[playbooks.act]
subject = "Call {{account}}"
body = "{{drivers}}"
[playbooks.idle]
task = false
reason = "nothing to do"
"""
    for level, names in FEATURES.items():
        text += f'[{level}]\nonly = "{only if level == "account" else "contact_age_days >= 0"}"\n'
        for feature in dice.sample(names, dice.randint(1, min(5, len(names)))):
            text += f"""
[{level}.signals.s_{feature}]
feature = "{feature}"
weight = {dice.randint(1, 30)}
curve = {dice.choice(CURVES)}
shape = "{dice.choice(["linear", "steps"])}"
missing = {dice.choice(['"unknown"', '"unknown"', "3.5"])}
reason = "{feature} {{{feature}}}"
customer = "words"
playbook = "act"
"""
    for i, rule in enumerate(dice.sample(RULES, dice.randint(0, 3))):
        text += f"""
[account.rules.r{i}]
when = "{rule}"
band = "{dice.choice(["red", "yellow"])}"
reason = "rule {i}, {{open_tickets}}"
customer = "words"
bypass = {dice.choice(["true", "false"])}
"""
    return text


def cards_of(seed: int) -> Cards:
    """One to three cards; the last takes everybody."""
    dice = random.Random(seed)
    conditions = dice.sample(["mrr >= 300", "plan = 'team' OR customer_age_days < 100", "open_tickets > 1"], 2)
    chosen = [*conditions[: dice.randint(0, 2) if seed != 9 else 2], "TRUE"]
    return Cards([Scorecard.parse(card_text(dice, f"Card {i}", only)) for i, only in enumerate(chosen)])

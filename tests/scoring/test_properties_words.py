"""What no text of a card that comes with the program says, and what no output ever shows."""

import ast
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from agent import cli
from sandbox.world import EVENT_NAMES
from scoring.card import LEVELS, Scorecard
from scoring.explain import customer_drivers
from scoring.features import CATALOGUE
from scoring.inputs import Band
from scoring.library import names
from scoring.playbooks.text import fill
from scoring.presets import PRESETS
from sync.owned import default_fields
from tests.scoring.given import Given, scored

ROOT = Path(__file__).parents[2]
BANDS: tuple[Band, ...] = ("green", "yellow", "red", "unknown")
NUMBERED = re.compile(r"(?m)^\s*\d+\. ")
WATCHED = re.compile(r"https?:|/\w+/|\b(page|screen|button|click|clicks|url|tracked|opened|viewed)\b", re.IGNORECASE)


def with_whole_library() -> Scorecard:
    """The default card with every segment of the library, and so with every follow-up of it."""
    data: dict[str, Any] = tomllib.loads(PRESETS[0].text, parse_float=Decimal)
    for level in LEVELS:
        data[level]["use"] = [name for name in names(level) if name not in data[level].get("segments", {})]
    events = {"key_actions": ["a"], "onboarding": ["a"], "content": ["a"], "plans": {"team": ["a"]}}
    return Scorecard.from_data({**data, "segment_limit": 100, "product": events})


CARDS = {**{one.name: one.card() for one in PRESETS}, "library": with_whole_library()}
every_card = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)


def templates(card: Scorecard) -> Iterator[str]:
    """Every text that a task can be made of."""
    playbooks = [*card.playbooks.values(), *(trigger.playbook for trigger in card.triggers.values())]
    for playbook in playbooks:
        yield from (playbook.subject, playbook.body)
        yield from (text for step in playbook.steps for text in (step.subject, step.body))
        yield from (text for variant in playbook.variants.values() for text in (variant.subject, variant.body))


def customer_words(card: Scorecard) -> Iterator[str]:
    """Words for what pulls a score down, as every customer may get to read them."""
    for level in LEVELS:
        yield from (signal.customer for signal in card.level(level).signals.values())
        yield from (rule.customer for rule in card.rules(level).values())


def watched(text: str) -> str:
    """What in a text would show how closely somebody is watched, "" for nothing."""
    plain = NUMBERED.sub("", text)
    events = [name for name in EVENT_NAMES if name.lower() in plain.lower()]
    features = [f.name for f in CATALOGUE if "_" in f.name and f.name in plain]
    figures = re.findall(r"\S*\d\S*|%", plain)
    return ", ".join([*events, *features, *figures, *(found[0] for found in WATCHED.finditer(plain))])


@every_card
@pytest.mark.requirement("R37", "R46")
def test_no_text_of_a_shipped_card_shows_what_was_watched(card: Scorecard) -> None:
    texts = [text for text in (*templates(card), *customer_words(card)) if text]
    assert len(texts) >= 10
    assert {text: found for text in texts if (found := watched(text))} == {}


def test_what_would_show_it_is_found() -> None:
    shown = "You were on the billing page 14 times; usage down 62 %; Created report; days_since_login; https://x.io"
    for word in ("page", "14", "62", "%", "Created report", "days_since_login", "https:"):
        assert word in watched(shown)
    assert watched("1. Ask how things are going.\n2. Listen.") == ""


@pytest.mark.parametrize("name", [one.name for one in PRESETS])
@pytest.mark.requirement("R37", "R46")
def test_no_figure_of_an_account_gets_into_a_task(name: str) -> None:
    """Every fact of the account is 7777 or -7777, so that none can hide: colleagues read it, customers do not."""
    card = Given.parse(next(one.text for one in PRESETS if one.name == name))
    assert isinstance(card, Given)
    numbers = [feature for feature, known in card.features("account").items() if not known.is_text]
    rows = scored(card, "account", [dict.fromkeys(numbers, value) for value in (7777, -7777)])
    assert any("7777" in row.reason.replace(",", "") for row in rows)
    for row in rows:
        drivers = customer_drivers(card, row)
        words = {"account": "Acme", "drivers": drivers, "link": ""}
        for template in templates(card):
            for band in BANDS:
                assert watched(fill(template, {**words, "band": band})) == ""


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


@pytest.mark.requirement("R19")
def test_no_command_lists_or_ranks_colleagues() -> None:
    ranked = re.compile(r"\b(csm|rank|ranking|leaderboard|league|per[- ]owner|by[- ]owner|owners?)\b", re.IGNORECASE)
    found = dict(commands(cli))
    assert len(found) > 20
    for path, command in found.items():
        options = [name for option in command.params for name in option.opts]
        if path in {"sync", "plan", "apply"}:
            options.remove("--owner")  # shows a colleague their own part of the plan; no figure is told by it
        assert not [word for word in (path, *options) if ranked.search(word)], path


@pytest.mark.requirement("R19")
def test_no_field_of_ours_is_on_a_colleague() -> None:
    fields = default_fields(["power"])
    assert {field.spec.object for field in fields} == {"account", "contact"}
    assert not [field.logical for field in fields if "owner" in field.logical]


@pytest.mark.requirement("R19")
def test_nothing_that_is_shown_is_counted_by_owner() -> None:
    """No SQL groups or orders by an owner, and no table that a command prints has a column for one."""
    grouped = re.compile(r"\b(GROUP|ORDER) BY [\w., ]{0,80}owner_(id|name)", re.IGNORECASE)
    for room in ("cli", "sync", "scoring"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text("utf-8")
            assert not grouped.search(text), path
            if room == "cli":
                assert not [head for head in headings(ast.parse(text)) if "owner" in head.lower()], path


def headings(tree: ast.Module) -> Iterator[str]:
    """Column headings of the tables that a file prints."""
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "table":
            first = named.get(node.args[0].id, node.args[0]) if isinstance(node.args[0], ast.Name) else node.args[0]
            yield from (
                part.value for part in ast.walk(first) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )

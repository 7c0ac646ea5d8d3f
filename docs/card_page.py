"""The page on what the shipped scorecards hold: signals, hard rules, segments, playbooks, triggers, waiting."""

from collections.abc import Iterable, Iterator, Mapping

from docs.reference_pages import table
from scoring.card import Scorecard
from scoring.inputs import Level
from scoring.library import library
from scoring.presets import PRESETS, Preset
from scoring.segments import Segment
from scoring.signals import Signal

_INTRO = """# Signals and segments

What the scorecards that come with Holdfast hold, line by line: the [default card and the presets](cards.md), and the
segments that any card can take by name. Your own card may say something else; `holdfast explain` and `holdfast
segments` tell what holds for you. How to write one: [scoring](scoring.md), [playbooks](playbooks.md),
[segments](segments.md). What the features mean: [features](features.md).

A *curve* says which value gets how many points, from 1 (poor) to 5 (thriving); between two values it runs straight,
except where it says *steps*. *Missing* is what no value means: unknown, which lowers the coverage, or so many points.
"""
_LIBRARY = """## Segments to take by name

`[account] use = ["NAME"]` in the card. Each brings the trigger of its name.
"""


def cards() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *(part for one in PRESETS for part in _preset(one)), *_library()])


def _preset(one: Preset) -> Iterator[str]:
    card = one.card()
    yield f"## {one.name}\n\n{one.meant} `holdfast card new {one.name} FILE` writes it as a file.\n"
    for level in ("account", "contact"):
        yield from _level(one.name, card, level)
    answers = [
        [f"`{name}`", "task" if it.task else "none", it.priority if it.task else "", it.subject or it.reason]
        for name, it in card.playbooks.items()
    ]
    yield f"### {one.name}: playbooks\n\n{table(['playbook', 'makes a', 'priority', 'subject, or why not'], answers)}\n"
    if card.triggers:
        triggers = [
            [f"`{name}`", _code(it.when or f"in segment {it.segment}"), it.timeline, it.reason, _yes(on=it.enabled)]
            for name, it in card.triggers.items()
        ]
        yield f"### {one.name}: triggers\n\n{table(['trigger', 'when', 'within', 'why', 'on'], triggers)}\n"
    if card.suppress:
        waits = [
            [f"`{name}`", _code(it.when or f"{it.since} < {it.days}"), it.reason] for name, it in card.suppress.items()
        ]
        yield f"### {one.name}: when outreach waits\n\n{table(['rule', 'when', 'why'], waits)}\n"


def _level(preset: str, card: Scorecard, level: Level) -> Iterator[str]:
    part = card.account if level == "account" else card.contact
    what = f"### {preset}: {level}s"
    yield f"{what}, signals\n\n{table(SIGNAL, map(_signal, part.signals.values()))}\n"
    if level == "account" and card.account.rules:
        rules = [[f"`{r.name}`", _code(r.when), r.band, r.reason] for r in card.account.rules.values()]
        yield f"{what}, hard rules\n\n{table(['rule', 'when', 'at least', 'why'], rules)}\n"
    if part.segments:
        yield f"{what}, segments\n\n{_segments(part.segments.values())}\n"


SIGNAL = ("signal", "feature", "weight", "curve", "missing", "playbook")


def _signal(one: Signal) -> list[str]:
    curve = ", ".join(f"{value} → {points.normalize():f}" for value, points in one.curve)
    missing = one.missing if isinstance(one.missing, str) else f"{one.missing.normalize():f} points"
    steps = " (steps)" if one.shape == "steps" else ""
    return [f"`{one.name}`", f"`{one.feature}`", str(one.weight), curve + steps, missing, f"`{one.playbook}`"]


def _segments(found: Iterable[Segment]) -> str:
    rows = [
        [f"`{one.name}`", one.label, _code(one.rule), ", ".join(f"`{name}`" for name in one.outranks)] for one in found
    ]
    return table(["segment", "label", "when", "goes before"], rows)


def _library() -> Iterator[str]:
    yield _LIBRARY
    known = library()
    for level in ("account", "contact"):
        found = [Segment(name=name, **one) for name, one in known[level]["segments"].items()]
        yield f"### Library: {level}s\n\n{_segments(found)}\n"
    yield f"### Library: triggers\n\n{table(['trigger', 'within', 'why'], _triggers(known['triggers']))}\n"


def _triggers(found: Mapping[str, Mapping[str, str]]) -> Iterator[list[str]]:
    return ([f"`{name}`", one["timeline"], one["reason"]] for name, one in found.items())


def _code(text: str) -> str:
    return f"`{' '.join(text.split())}`"


def _yes(*, on: bool) -> str:
    return "yes" if on else "no"

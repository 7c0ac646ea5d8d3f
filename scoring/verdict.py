"""The second half of the statement: from points to coverage, score, band, segments and the reason line.

With weights w, points p in hundredths (100-500) and freshness f in percent, over the signals whose kind of record the
tenant has:

    coverage = sum(w x f of known signals) // sum(w)                      percent
    points   = (300 x (1000 - r) x W + r x sum(w x p)) // (1000 x W)      W = sum(w of known signals), r = sqrt table
    score    = (points - 98) // 4                                         0-100, rounded
"""

from collections.abc import Mapping
from math import isqrt
from typing import TYPE_CHECKING

from scoring.features import Feature
from scoring.inputs import Level
from scoring.product import quoted
from scoring.rules import ONE_KIND, band_sql, families_sql, holds_sql, rule_sql
from scoring.segments import Segment, member_sql
from scoring.signals import NEUTRAL, PLACEHOLDER, Signal

if TYPE_CHECKING:
    from scoring.card import Scorecard

Layer = tuple[str, dict[str, str]]
"""Columns added in one step: name of the step, column -> SQL."""
MAX_REASON = 255
NAMED = 3
"""At most so many drivers are named."""


def root(coverage: int) -> int:
    """Square root of a percentage, in thousandths, rounded down: how far a score may leave neutral."""
    return isqrt(coverage * 10_000)


def points_of(coverage: int, weight: int, mass: int) -> int:
    """The weighted mean `mass / weight` shrunk to neutral, in hundredths."""
    r = root(coverage)
    return (NEUTRAL * (1000 - r) * weight + r * mass) // (1000 * weight)


def score_of(points: int) -> int:
    """0-100 for points in hundredths, rounded half up."""
    return (points - 98) // 4


def signal_layers(signals: Mapping[str, Signal], features: Mapping[str, Feature]) -> list[Layer]:
    """By signal: how fresh, what weight in this tenant, how many points, how far down it pulls, and its words."""
    fresh = {f"{name}__fresh": _freshness(features[signal.feature]) for name, signal in signals.items()}
    columns = {}
    for name, signal in signals.items():
        columns[f"{name}__weight"] = f"CASE WHEN {name}__fresh IS NULL THEN 0 ELSE {signal.weight} END"
        columns[f"{name}__points"] = signal.points_sql(f"{name}__fresh")
        columns[f"{name}__phrase"] = phrase_sql(signal.reason, features)
    low = {name: f"{name}__points < {NEUTRAL}" for name in signals}
    drags = {
        f"{name}__drag": f"CASE WHEN {low[name]} THEN {signal.weight} * ({NEUTRAL} - {name}__points) ELSE 0 END"
        for name, signal in signals.items()
    }
    return [("fresh", fresh), ("signals", columns), ("drags", drags)]


def score_layers(card: "Scorecard", level: Level, features: Mapping[str, Feature]) -> list[Layer]:
    """From points by signal to coverage, score, band, and the words that go before the signals in the reason line."""
    signals, bands = card.level(level).signals, card.bands
    enough = f"coverage >= {bands.min_coverage}"
    roots = " ".join(f"WHEN {c} THEN {root(c)}" for c in range(bands.min_coverage, 101))
    shrunk = f"({NEUTRAL} * (1000 - root) * weight_known + root * mass) // (1000 * weight_known)"
    return [
        ("sums", {**_sums(signals), **_places(list(signals)), "missing": _missing_sql(signals)}),
        ("covered", {"coverage": "CASE WHEN weight_all > 0 THEN weight_fresh // weight_all ELSE 0 END"}),
        ("rooted", {"root": f"CASE coverage {roots} ELSE 0 END"}),
        ("shrunk", {"points": f"CASE WHEN {enough} THEN {shrunk} ELSE {NEUTRAL} END"}),
        ("scored", {"score": f"CASE WHEN {enough} THEN (points - 98) // 4 END"}),
        *_band_layers(card, level, features),
    ]


def _band_layers(card: "Scorecard", level: Level, features: Mapping[str, Feature]) -> list[Layer]:
    """The grade by the average, the floors of the hard rules under it, and what both have to say for themselves."""
    bands, rules = card.bands, card.rules(level)
    strict = level == "account" and bands.red_families > 1
    low = f"CASE WHEN families < {bands.red_families} THEN 'yellow' ELSE 'red' END" if strict else "'red'"
    grade = (
        f"CASE WHEN score IS NULL THEN 'unknown' WHEN score < {bands.red_below} THEN {low} "
        f"WHEN score < {bands.green_from} THEN 'yellow' ELSE 'green' END"
    )
    count = {"families": families_sql(card.level(level).signals, features)} if strict else {}
    facts = count | {f"{rule.name}__holds": holds_sql(rule, features) for rule in rules.values()}
    words = [f"WHEN rule = '{rule.name}' THEN {phrase_sql(rule.reason, features)}" for rule in rules.values()]
    words += [f"WHEN score < {bands.red_below} AND grade = 'yellow' THEN '{ONE_KIND}'"] if strict else []
    lead = f"CASE {' '.join(words)} ELSE '' END" if words else "''"
    layers = [
        ("weighed", facts),
        ("graded", {"grade": grade}),
        ("ruled", {"rule": rule_sql(rules.values())}),
        ("banded", {"band": band_sql(rules.values()), "lead": lead}),
    ]
    return [layer for layer in layers if layer[1]]


def _sums(signals: Mapping[str, Signal]) -> dict[str, str]:
    """Weight of the card in this tenant, weight that is known, the same times freshness, and weight times points."""
    zero = {name: f"CASE WHEN {name}__points IS NULL THEN 0 ELSE {s.weight}" for name, s in signals.items()}
    return {
        "weight_all": " + ".join(f"{name}__weight" for name in signals),
        "weight_known": " + ".join(f"{case} END" for case in zero.values()),
        "weight_fresh": " + ".join(f"{case} * {name}__fresh END" for name, case in zero.items()),
        "mass": " + ".join(f"{case} * {name}__points END" for name, case in zero.items()),
    }


def _freshness(feature: Feature) -> str:
    """Percent, of the stalest kind it needs; NULL when the tenant has no source of such a kind."""
    smallest = "100"
    for kind in (f"{kind}_fresh" for kind in feature.kinds):
        smallest = f"CASE WHEN {kind} <= {smallest} THEN {kind} WHEN {kind} > {smallest} THEN {smallest} END"
    return smallest


def _places(names: list[str]) -> dict[str, str]:
    """By signal: how many pull the score down more than it does; of equals the earlier on the card goes first."""
    columns = {}
    for i, name in enumerate(names):
        others = [
            f"CASE WHEN {other}__drag {'>=' if j < i else '>'} {name}__drag THEN 1 ELSE 0 END"
            for j, other in enumerate(names)
            if j != i
        ]
        columns[f"{name}__place"] = " + ".join(others) or "0"
    return columns


def segments_sql(segments: Mapping[str, Segment]) -> str:
    """Names of the segments that hold, sorted, joined by commas; a segment gives way to those that outrank it."""
    parts = [f"CASE WHEN {member_sql(name, segments)} THEN ',{name}' ELSE '' END" for name in sorted(segments)]
    return f"SUBSTRING({' || '.join(parts)}, 2)" if parts else "''"


def reason_sql(signals: Mapping[str, Signal]) -> str:
    """The line: `38: no login for 41 days; usage down 62 %; 3 open tickets`; a hard rule's words go first."""
    named = []
    for place in range(min(NAMED, len(signals))):
        comma = "'; ' || " if place else "CASE WHEN lead = '' THEN '' ELSE '; ' END || "
        cases = " ".join(
            f"WHEN {name}__drag > 0 AND {name}__place = {place} THEN {comma}{name}__phrase" for name in signals
        )
        none = "''" if place else "CASE WHEN lead = '' THEN 'nothing pulls it down' ELSE '' END"
        named.append(f"CASE {cases} ELSE {none} END")
    known = " || ".join(["CAST(score AS TEXT)", "': '", "lead", *named])
    little = "'unknown: ' || CAST(coverage AS TEXT) || ' % of the data is there and fresh'"
    listed = "CASE WHEN missing = '' THEN '' ELSE '; missing ' || SUBSTRING(missing, 3) END"
    return f"SUBSTRING(CASE WHEN score IS NULL THEN {little} || {listed} ELSE {known} END, 1, {MAX_REASON})"


def _missing_sql(signals: Mapping[str, Signal]) -> str:
    """Names of the signals that should be known and are not, each after a comma."""
    return " || ".join(
        f"CASE WHEN {name}__weight > 0 AND {name}__points IS NULL THEN ', {name.replace('_', ' ')}' ELSE '' END"
        for name in signals
    )


def phrase_sql(template: str, features: Mapping[str, Feature]) -> str:
    """A template with `{feature}` filled in, as SQL."""
    parts, at = [], 0
    for found in PLACEHOLDER.finditer(template):
        parts += [quoted(template[at : found.start()]), features[found[1]].unit.sql(found[1])]
        at = found.end()
    parts.append(quoted(template[at:]))
    return " || ".join(part for part in parts if part != "''") or "''"

"""`features`: what a scorecard can look at."""

from pathlib import Path

import click

from cli.app import common, wire
from cli.errors import OK, CommandError
from cli.output import Output, count
from scoring.card import LEVELS, Scorecard
from scoring.errors import nearest
from scoring.features import CATALOGUE, Feature, catalogue

FAMILIES = tuple(dict.fromkeys(feature.family for feature in CATALOGUE))


@click.command()
@click.option("--level", type=click.Choice(LEVELS), help="Only those of accounts, or of contacts.")
@click.option("--family", type=click.Choice(FAMILIES), help="Only those of one family.")
@click.option("--sql", "name", metavar="NAME", help="Print the statement that computes one feature, and stop.")
@common
def features(config: Path, out: Output, *, level: str | None, family: str | None, name: str | None) -> int:
    """List every fact that signals and segments can use, with what it needs and means.

    Example: holdfast features --family support
    """
    if name is not None:
        return _print_sql(config, out, name, level)
    found = [f for f in CATALOGUE if not f.internal and level in (None, *f.levels) and family in (None, f.family)]
    out.table(
        ("feature", "level", "unit", "family", "needs", "meaning"),
        [(f.name, ", ".join(f.levels), f.unit.label, f.family, needs(f), f.meaning) for f in found],
    )
    out.line(f"{count(len(found), 'feature')}.", style="bold")
    if out.as_json:
        out.json({"features": [as_data(f) for f in found]})
    return OK


def needs(feature: Feature) -> str:
    """The kinds of record without which it does not exist, what the card must say of events, and how long to watch."""
    said = [f"[product] {feature.setting}"] if feature.setting else []
    if feature.watched:
        said.append(f"read for {feature.watched} days")
    return ", ".join([*feature.kinds, *said]) or "-"


def as_data(feature: Feature) -> dict[str, object]:
    """One entry for programs."""
    return {
        "name": feature.name,
        "levels": list(feature.levels),
        "unit": feature.unit.label,
        "family": feature.family,
        "needs": list(feature.kinds),
        "setting": feature.setting or None,
        "watched_days": feature.watched or None,
        "meaning": feature.meaning,
    }


def _print_sql(config: Path, out: Output, name: str, level: str | None) -> int:
    from scoring.statement import feature_statement

    known = {f.name: f for f in CATALOGUE if not f.internal and level in (None, *f.levels)}
    if name not in known:
        raise CommandError(f"unknown feature {name!r}{nearest(name, known)}", 2)
    # Without a config it is the card that comes with Holdfast: the catalogue can be read before anything is set up.
    card = wire(config).card.cards[0] if config.exists() else Scorecard.load()
    wanted = next(one for one in LEVELS if one in known[name].levels and level in (None, one))
    statement = feature_statement(card, wanted, name).sql("duckdb", pretty=True)
    setting = catalogue(wanted)[name].setting
    if setting and not card.product.says(setting):
        out.warn(f"the card does not say which events count: [product] {setting} is empty")
    if out.as_json:
        out.json({"feature": name, "level": wanted, "sql": statement})
    else:
        click.echo(statement)
    return OK

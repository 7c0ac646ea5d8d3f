"""Score rows by hand, for what works on rows alone."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from scoring.card import Scorecard
from scoring.inputs import Band, ScoreRow, SignalPoints
from scoring.verdict import points_of, score_of

WEIGHTS = {"login": 25, "active_users": 20, "usage": 20, "tickets": 15, "satisfaction": 20, "payment": 15}


def fixed_card() -> Scorecard:
    """The card that comes with the program, with weights and days of its own: tuning those must not move the tests."""
    data = tomllib.loads(
        (Path(__file__).parents[2] / "scoring" / "default.toml").read_text("utf-8"), parse_float=Decimal
    )
    for name, weight in WEIGHTS.items():
        data["account"]["signals"][name]["weight"] = weight
    data["bands"] |= {"margin": 3, "confirm_days": 2}
    return Scorecard.from_data(data)


def score_row(crm_id: str, band: Band, **more: Any) -> ScoreRow:
    """A row of a band, without signals."""
    score = {"red": 20, "yellow": 55, "green": 90, "unknown": None}[band]
    health = None if score is None else 3
    blank = ScoreRow("account", 1, crm_id, "Acme", "O1", score, health, 300, 100, band, (), f"{score}: so", (), {})
    return blank._replace(**more)


def row_of(card: Scorecard, points: dict[str, int | None], coverage: int) -> ScoreRow:
    """A row with these points by signal, scored as the formula says."""
    signals = [(s, points[name]) for name, s in card.account.signals.items() if name in points]
    known = [(s.weight, p) for s, p in signals if p is not None]
    mean = points_of(coverage, sum(w for w, _ in known), sum(w * p for w, p in known))
    features: dict[str, int | str | None] = dict.fromkeys(card.features("account"), 3)
    return score_row(
        "A1",
        "yellow",
        score=score_of(mean),
        points=mean,
        coverage=coverage,
        signals=tuple(SignalPoints(s.name, p, s.weight, None if p is None else 3) for s, p in signals),
        features=features,
    )

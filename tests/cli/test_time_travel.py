"""`explain`, `score --as-of` and a changed card, as a person sees them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.cli.conftest import FILL, NOW, Site

AS_OF = ("score", "--as-of", NOW.strftime("%Y-%m-%dT12:00:00"), "--json")


@pytest.mark.requirement("R18", "R126")
def test_the_past_is_told_the_same_whatever_comes_after(site: Site) -> None:
    assert site.run(*FILL).code == 0
    site.sandbox.clock.advance(timedelta(days=1))
    then = site.run(*AS_OF)
    assert then.code == 0, then.err
    assert all(len(row["reason"]) <= 255 for row in then.data["rows"])
    site.sandbox.clock.advance(timedelta(days=6))
    site.change('card = "card.toml"', 'card = "other.toml"')
    card = (site.config.parent / "card.toml").read_text("utf-8")
    other = card.replace("red_below = 80", "red_below = 10").replace("weight = 15", "weight = 40")
    (site.config.parent / "other.toml").write_text(other, "utf-8")

    held = site.run("sync", "--json")
    (note,) = [text for text in held.data["plan"]["notes"] if text.startswith("The scorecard changed: ")]
    assert "before margins, waiting and overrides, " in note
    assert "change band because of it" in note
    assert site.run("score", "--as-of", then.data["as_of"], "--json").out == then.out, "an instant as we write it"

    account = then.data["rows"][0]["crm_id"]
    told = site.run("explain", account, "--split", "--json").data
    week = told["changes"]["week"]
    tenths = week["tenths"]
    assert tenths["total"] == tenths["behaviour"] + tenths["data"] + tenths["configuration"]
    assert tenths["total"] == 10 * ((week["after"] or 50) - (week["before"] or 50))
    assert week["after"] == told["score"]
    assert any(one["changes"]["week"]["tenths"]["configuration"] for one in explained(site, then.data["rows"]))
    assert [one["score"] for one in told["history"]][-1] == told["score"]
    kept = explained(site, then.data["rows"], ())
    for one in kept:
        step = one["changes"]["week"]
        tenths = step["tenths"]
        assert tenths["total"] == tenths["behaviour"] + tenths["data"] + tenths["configuration"]
        assert tenths["total"] == 10 * ((step["after"] or 50) - (step["before"] or 50))
    assert any(one["changes"]["week"]["tenths"]["configuration"] for one in kept)
    assert any(one["changes"]["week"]["tenths"]["behaviour"] for one in kept)
    said = site.run("explain", account, "--split").out
    assert week["sentence"] in said
    assert "History, a mark a week since" in said


def test_what_is_still_to_come_is_not_scored_and_an_empty_past_is_said(site: Site) -> None:
    assert site.run(*FILL).code == 0
    ahead = site.run("score", "--as-of", "2031-01-01")
    assert ahead.code == 2
    assert "--as-of 2031-01-01 00:00 UTC is still to come" in ahead.err
    before = site.run("score", "--as-of", "2020-01-01")
    assert before.code == 1
    assert "0 accounts as of 2020-01-01 00:00 UTC; nothing was known then." in before.out


def explained(site: Site, rows: list[dict[str, str]], options: tuple[str, ...] = ("--split",)) -> list[Any]:
    return [site.run("explain", row["crm_id"], *options, "--json").data for row in rows[:3]]

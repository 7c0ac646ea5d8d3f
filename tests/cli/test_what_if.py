"""`what-if`: another card on the past of a sandbox, against a list of who left."""

from datetime import timedelta

import pytest

from tests.cli.conftest import NOW, Site


@pytest.mark.requirement("R72", "R126", "R131")
def test_another_card_is_measured_on_the_past(filled: Site) -> None:
    site = filled
    site.sandbox.clock.advance(timedelta(days=1))
    assert site.run("sync", "--dry-run").code == 0
    folder = site.config.parent
    card = (folder / "card.toml").read_text("utf-8")
    (folder / "other.toml").write_text(card.replace("red_below = 80", "red_below = 1"), "utf-8")
    rows = site.run("score", "--json").data["rows"]
    gone = [row["crm_id"] for row in rows if row["score"] is not None][:2]
    (folder / "churn.csv").write_text(
        f"account,day\n{gone[0]},{NOW.date()}\n{gone[1]},{NOW.date()}\nnobody-1,{NOW.date()}\nnobody-1,{NOW.date()}\n",
        "utf-8",
    )
    before = site.writes()

    days = ("--from", str(NOW.date()), "--every", "1")
    said = site.run("what-if", str(folder / "other.toml"), *days, "--against", str(folder / "churn.csv"), "--json")
    assert said.code == 0, said.err
    assert site.writes() == before
    now, other = said.data["cards"]
    assert len(now["weeks"]) == len(other["weeks"]) == len(said.data["instants"]) > 0
    assert now["weeks"][-1]["bands"].get("red", 0) > other["weeks"][-1]["bands"].get("red", 0) == 0
    assert now["weeks"][0]["opened"] > 0
    assert now["measured"]["dropped"] == 2
    assert (said.data["not_scored"], said.data["calls"]) == (["nobody-1"], 25)
    moved = next(iter(said.data["bands"].values()))["name"]
    assert moved in {row["name"] for row in rows}
    text = site.run("what-if", str(folder / "other.toml"), *days, "--against", str(folder / "churn.csv")).out
    assert "1 not scored at any of these instants, of the ids in the list: nobody-1." in text
    text = site.run("what-if", str(folder / "other.toml"), *days).out
    assert moved[:12] in text
    assert "would stand in another band at the end" in text
    assert site.run("what-if", "large_b2b", *days).code == 0
    early = ("--from", str(NOW.date() - timedelta(days=21)), "--every", "7")
    text = site.run("what-if", "large_b2b", *early).out
    assert "3 instants left out, at which nothing was known yet." in text
    assert not [line for line in text.splitlines() if line.startswith("2026-10") and " 0 " in line]
    wrong = site.run("what-if", "large_b2x")
    assert (wrong.code, "large_b2b" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "names nobody"),
        ("A1,2026-01-01\nA2,soon\n", "line 2: 'soon' is no date"),
        ("A1\n", "line 1: needs an account id and a date"),
    ],
)
def test_a_list_that_cannot_be_used_is_said(site: Site, lines: str, words: str) -> None:
    (site.config.parent / "churn.csv").write_text(lines, "utf-8")
    said = site.run(
        "what-if", str(site.config.parent / "card.toml"), "--against", str(site.config.parent / "churn.csv")
    )
    assert said.code == 2
    assert words in said.err

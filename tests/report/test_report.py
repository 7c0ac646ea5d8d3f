"""The report as a file: what stands in it, that its figures are those of the state, that names stay names."""

import hashlib
import json
import re
from base64 import b64encode
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report_data import NOW, fill
from report import charts
from report.accounts import ABSENT, FIRST, UNKNOWN
from report.build import SECTIONS, SHOWN, report
from report.reading import Facts
from report.settings import ReportSettings
from report.words import tidy
from scoring.cards import Cards
from sync.store import Store


class Page(HTMLParser):
    """Every element with its attributes, the text outside scripts and styles, and the data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.inside:
            self.open = tag
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = "" if tag == self.open else self.open

    def handle_data(self, data: str) -> None:
        if self.open:
            self.inside[self.open][-1] += data
        else:
            self.texts.append(data)

    @property
    def words(self) -> str:
        """What a reader sees."""
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self) -> dict[str, Any]:
        """What the scripts read."""
        found: dict[str, Any] = json.loads(self.inside["script"][0])
        return found


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """The page, taken apart."""
    return Page(text)


def test_every_section_is_there_and_can_be_gone_to(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) <= set(ids)
    goals = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert {f"#{name}" for name in SECTIONS} <= goals
    assert all(goal is not None and goal.removeprefix("#") in ids for goal in goals)


@pytest.mark.requirement("R87")
def test_the_file_asks_nobody_for_anything_and_runs_only_what_it_names(page: Page, text: str) -> None:
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a) or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    scripts = page.inside["script"][1:]
    for part in (*scripts, *page.inside["style"]):
        assert b64encode(hashlib.sha256(part.encode()).digest()).decode() in policy
    assert policy.count("sha256-") == len(scripts) + len(page.inside["style"])
    for _, attributes in page.elements:
        assert not {"src", "srcset", "style", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert outside <= {"http://www.w3.org/2000/svg"}


@pytest.mark.requirement("R64")
def test_it_says_what_was_seen_what_is_to_do_and_what_came_of_it(page: Page, facts: Facts) -> None:
    red = sum(one.band == "red" for one in facts.accounts)
    assert f"{len(facts.accounts)} customers, {red} of them red" in page.words
    for heading in ("Movement since last week", "Who needs a call today, and why", "What became of tasks"):
        assert heading in page.words
    assert "Ada Quint" in page.words
    assert "day late" in page.words


def test_the_list_holds_every_account_with_history_and_parts_that_add_up(page: Page, facts: Facts) -> None:
    data = page.data
    place = {name: at for at, name in enumerate(data["columns"])}
    assert [row[place["id"]] for row in data["accounts"]] == [one.crm_id for one in facts.accounts]
    assert len(data["weeks"]) == 10
    for row, one in zip(data["accounts"], facts.accounts, strict=True):
        tenths = [part[1] for part in row[place["parts"]] if part[1] is not None]
        assert 500 + sum(tenths) == 10 * row[place["score"]]
        scores = [ord(sign) - FIRST for sign in row[place["history"]]]
        assert scores[-1] == one.score
        assert len(scores) == 10
        assert data["words"][row[place["owner"]]] == one.owner


def test_weeks_without_a_score_are_told_apart(store: Store, cards: Cards) -> None:
    from scoring.settle import freeze
    from tests.scoring.rows import score_row

    first, other = score_row("A1", "green", key=1), score_row("A2", "green", key=2)
    week = timedelta(days=7)
    with store.transaction() as conn:
        conn.execute("INSERT INTO source (id, name) VALUES (1, 'crm')")
        conn.execute("INSERT INTO account (key, source, source_id, valid_from) VALUES (1, 1, 'A1', 1), (2, 1, 'A2', 1)")
    store.save_scores(1, [first, other], NOW - 3 * week)
    store.save_scores(2, [score_row("A1", "unknown", key=1), freeze(other, NOW - 2 * week)], NOW - 2 * week)
    store.save_scores(3, [first, other], NOW - week)
    data = Page(report(store, cards, NOW).text).data
    history = data["columns"].index("history")
    signs = [row[history] for row in data["accounts"]]
    assert signs[0] == chr(FIRST + 90) + chr(UNKNOWN) + 2 * chr(FIRST + 90)
    assert signs[1] == chr(FIRST + 90) + chr(ABSENT) + 2 * chr(FIRST + 90)


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\u202eexe.gnp\u2066",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}",
    "<!--",
    "Acme",  # the seventh leaves
    "a\x00b\x1b[31m",
    "x" * 5000,
)


def test_hostile_names_stay_names(tmp_path: Path, cards: Cards) -> None:
    store = fill(tmp_path, 60, 3, names=HOSTILE)
    tame = fill(tmp_path / "tame", 60, 3, names=["Acme"] * len(HOSTILE))
    page, other = Page(report(store, cards, NOW).text), Page(report(tame, cards, NOW).text)
    store.close()
    tame.close()
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in other.elements]
    assert [sorted(attributes) for _, attributes in page.elements] == [sorted(more) for _, more in other.elements]
    named = {row[1] for row in page.data["accounts"]}
    assert {tidy(name) for name in HOSTILE if name != "Acme"} <= named
    everything = " ".join([page.words, *named])
    assert not re.search("[\x00-\x1f\u202a-\u202e\u2066-\u2069]", everything)
    assert "49" not in {word for word in page.words.split() if word.startswith("{{")}
    assert max(map(len, named)) == 200


def test_the_first_day_says_that_nothing_can_have_moved(tmp_path: Path, cards: Cards) -> None:
    with_one = fill(tmp_path, 30, 1)
    words = Page(report(with_one, cards, NOW).text).words
    with_one.close()
    assert "Nobody was scored a week ago, so nothing can have moved yet. First scores: 2026-11-01." in words
    assert "Bands over time show from the second week on" in words
    assert not re.search("[+±\N{MINUS SIGN}][0-9]+ in a week", words)


def test_nothing_scored_is_said(store: Store, cards: Cards) -> None:
    made = report(store, cards, NOW)
    assert made.accounts == 0
    assert "No account is scored yet." in Page(made.text).words


def test_long_lists_are_cut_and_say_so(tmp_path: Path, cards: Cards) -> None:
    store = fill(tmp_path, 400, 2)
    page = Page(report(store, cards, NOW).text)
    store.close()
    assert "more in the list of accounts below." in page.words
    rows = sum(tag == "tr" for tag, _ in page.elements)
    assert rows < 8 * SHOWN
    assert len(page.data["accounts"]) > 8 * SHOWN


@pytest.mark.requirement("R75")
def test_stages_are_held_against_their_targets(lived: Store, cards: Cards, facts: Facts) -> None:
    plain = Page(report(lived, cards, NOW).text).words
    assert "[report] targets in the config sets others" in plain
    scores = sorted(one.score or 0 for one in facts.accounts if one.stage == "repeat")
    below = sum(score < 99 for score in scores)
    asked = Page(report(lived, cards, NOW, ReportSettings(targets={"repeat": 99})).text).words
    middle = (scores[(len(scores) - 1) // 2] + scores[len(scores) // 2]) // 2
    assert f"repeat {len(scores)} {middle} 99 \N{MINUS SIGN}{99 - middle} {below}" in asked


@pytest.mark.requirement("R136")
def test_segments_are_listed_with_their_health_and_the_money_at_risk(page: Page, facts: Facts, cards: Cards) -> None:
    label = cards.cards[0].account.segments["at_risk"].label
    inside = [one for one in facts.accounts if "at_risk" in one.segments]
    red = [one for one in inside if one.band == "red"]
    lost = sum(one.mrr or 0 for one in red if one.currency == "EUR")
    assert red
    told = page.words[page.words.index("Segments, the healthiest first") :]
    row = told[told.index(f"{label} {len(inside)} ") :][:200]
    assert f" {100 * len(red) / len(inside):.0f} % " in row
    assert f" {lost / 100:,.0f} EUR" in row
    power = cards.cards[0].account.segments["power"].label
    assert told.index(f" {power} ") < told.index(f" {label} ")


@pytest.mark.requirement("R139")
def test_lifetime_values_come_with_a_margin_only(lived: Store, cards: Cards) -> None:
    assert "Customer lifetime value" not in Page(report(lived, cards, NOW).text).words
    words = Page(report(lived, cards, NOW, ReportSettings(margin_percent=70)).text).words
    assert "at 70 % gross margin, customers that pay in EUR" in words


def test_a_chart_has_no_script_no_style_and_says_its_values() -> None:
    drawn = charts.stacked(["a", "<b>"], {"red": [1, 2], "green": [3, 0]}, what='by "band"')
    page = Page(drawn)
    assert not {"script", "style", "defs"} & {tag for tag, _ in page.elements}
    assert page.elements[0][1]["aria-label"] == 'by "band"'
    assert {"a: 1", "<b>: 2", "a: 3", "<b>: 0"} <= set(page.texts)
    groups = [attributes.get("class") or "" for tag, attributes in page.elements if tag == "g"]
    assert [name.split()[-1] for name in groups if name.startswith("series")] == ["red", "green"]
    ranked = Page(charts.ranking([("logins", 3.0), ("tickets", 2.0)], what="points", unit="points"))
    assert {"logins: 3", "tickets: 2"} <= set(ranked.texts)

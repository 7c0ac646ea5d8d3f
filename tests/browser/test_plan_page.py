"""The page of a plan, as somebody looks at it who must decide whether it is written."""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from report.plan_page import About, Step, legible, plan_page, totals
from sync.plan import Plan
from sync.plan_groups import Places, groups
from tests.browser import plans
from tests.browser.harness import Browser

Show = Callable[[Plan, Places], Path]
ACCOUNTS = "tr.account th > .name"
FILLED = """[...document.querySelectorAll('.space')].every((row) => {
  const {top, bottom} = row.getBoundingClientRect(); return bottom < 0 || top > innerHeight })"""
"""No part of the window shows rows that are not there yet."""


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Show:
    """Open the page of a plan."""

    def opened(plan: Plan, places: Places) -> Path:
        steps = (Step("writes exactly this plan", "holdfast apply monday.plan"),)
        file = tmp_path / "plan.html"
        file.write_text(plan_page(plan, About(places, plans.VERDICTS, steps, "monday.plan")), encoding="utf-8")
        browser.open(file)
        browser.find("table.long tbody tr")
        return file

    return opened


def choose(browser: Browser, key: str, start: str) -> None:
    """Choose from one of the lists, by how the choice begins."""
    box = Select(browser.find(f"select[data-{key}]" if key == "order" else f"select[data-filter={key}]"))
    box.select_by_visible_text(next(one.text for one in box.options if one.text.startswith(start)))


def rows(browser: Browser) -> list[list[str]]:
    """Field, old and new of each row that is shown, as read."""
    found: list[list[str]] = browser.run(
        "return [...document.querySelectorAll('tr.effect')].map("
        "(row) => [...row.cells].map((cell) => cell.innerText.replace(/^→ /, '').trim()))"
    )
    return found


def count(browser: Browser) -> str:
    return browser.texts(".count")[0]


@pytest.mark.requirement("R36")
def test_every_change_is_there_with_old_and_new_value(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    choose(browser, "owner", "Dana Reyes")
    seen = rows(browser)
    assert seen[:3] == [
        ["holdfast_health_score", "70", "31"],
        ["holdfast_health_band", "yellow", "red"],
        ["holdfast_health_reason", "empty", "usage down to 31"],
    ]
    assert seen[3][:2] == ["new task", "none"]
    assert seen[3][2].startswith("Call Acme Süd\ndue 2026-11-02 06:00 UTC · for Dana Reyes · high priority")
    assert browser.texts("tr.account th")[0].endswith("owner Dana Reyes · at_risk, vip\nWhy: usage down to 31")
    browser.click("summary")
    assert browser.texts(".body") == [plans.every_kind()[0].tasks[0].body]
    browser.click(".reset")
    text = {row[0]: row[1:] for row in rows(browser)}
    assert text["task to remove"] == ["Call Cobalt 8\ntask 900", "removed\nWhy: the account recovered"]
    assert text["holdfast_health_band (left alone)"] == [
        "green",
        "somebody changed it; waits for an answer; we wrote red, would write yellow",
    ]
    assert text["holdfast_segments (left alone)"][0] == "vip"
    assert text["holdfast_health_score (stays)"] == ["", "stays as it is: somebody wrote 50 since"]
    assert browser.texts("tr.contact th") == ["Ines Ó Briain\ncontact 31\nWhy: no login for 21 days"]


def test_the_page_counts_what_the_plan_counts(browser: Browser, show: Show) -> None:
    plan, places = plans.every_kind()
    show(plan, places)
    assert browser.data()["totals"] == totals(plan)
    big = {text.split(maxsplit=1)[1]: int(text.split()[0]) for text in browser.texts(".totals li")}
    assert big == {
        "fields to write": plan.field_count,
        "accounts": 2,
        "contact": 1,
        "new task": 1,
        "task to remove": 1,
        "fields left alone": 2,
        "effect that stays": 1,
        "API calls at most": 12,
    }
    assert count(browser) == (
        "3 accounts: 7 fields on 2 account and 1 contact records, 1 new task, 1 task to remove, 2 fields left alone, "
        "1 effect that stays"
    )
    assert Counter(row[0].split(" (")[-1] for row in rows(browser))["left alone)"] == len(plan.kept)
    assert not browser.find("#unlike").is_displayed()


def test_a_page_that_lacks_a_change_says_so(browser: Browser, show: Show, tmp_path: Path) -> None:
    plan, places = plans.every_kind()
    text = show(plan, places).read_text(encoding="utf-8")
    cut = tmp_path / "cut.html"
    cut.write_text(text.replace('["holdfast_health_band","yellow","red"],', "", 1), encoding="utf-8")
    browser.open(cut)
    assert "fields: 6 here, 7 in the plan" in browser.find("#unlike").text


def test_a_long_plan_is_whole_although_little_of_it_is_in_the_document(browser: Browser, show: Show) -> None:
    plan, places = plans.long(150)
    show(plan, places)
    total = int(browser.find("table.long").get_attribute("aria-rowcount") or 0)
    assert total == 1 + 150 + 150 + plan.field_count + len(plan.tasks)
    assert len(browser.all("table.long tbody tr")) < total * 0.6
    found: set[str] = set()
    below = True
    while below:
        browser.wait(FILLED)
        found.update(browser.texts(ACCOUNTS))
        below = browser.run("const before = scrollY; scrollBy(0, innerHeight * 0.8); return scrollY > before")
    browser.wait("document.querySelector('tbody:last-child tr.account')")
    found.update(browser.texts(f"tbody:last-child {ACCOUNTS}"))
    assert found == {place.name for place in places.accounts.values()}
    last = browser.run(
        "return [...document.querySelectorAll('tr[aria-rowindex]')].at(-1).getAttribute('aria-rowindex')"
    )
    assert int(last) == total


def test_lists_leave_what_was_chosen(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    acme, basalt, cobalt = "Acme Süd", "Basalt 10", "Cobalt 9"
    cases = (
        ("band", "green", [cobalt], 4),
        ("kind", "new tasks", [acme], 1),
        ("kind", "conflicts", [cobalt, basalt], 2),
        ("kind", "skipped", [cobalt], 1),
        ("field", "holdfast_segments", [basalt], 1),
        ("object", "contact", [cobalt], 1),
        ("segment", "vip", [acme], 4),
        ("owner", "Li Wei", [cobalt, basalt], 8),
    )
    for key, choice, accounts, fields in cases:
        choose(browser, key, choice)
        assert browser.texts(ACCOUNTS) == accounts
        assert len(rows(browser)) == fields
        assert count(browser).startswith(f"{len(accounts)} of 3 accounts: ")
        browser.click(".reset")
        assert len(browser.texts(ACCOUNTS)) == 3
        assert len(rows(browser)) == 12


def test_lists_are_taken_together(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    choose(browser, "object", "contact")
    choose(browser, "field", "holdfast_health_score")
    assert browser.texts(ACCOUNTS) == []  # there is a contact, and there is such a field, but not of the contact
    assert count(browser) == "0 of 3 accounts: nothing"
    choose(browser, "object", "account")
    assert [row[0] for row in rows(browser)] == ["holdfast_health_score (stays)"] + ["holdfast_health_score"] * 2


def test_the_worst_comes_first_and_other_orders_can_be_had(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    acme, basalt, cobalt = "Acme Süd", "Basalt 10", "Cobalt 9"
    head = "th[data-key=weight]"
    assert browser.texts(ACCOUNTS) == [cobalt, acme, basalt]
    assert browser.find(head).get_attribute("aria-sort") == "descending"
    browser.click(f"{head} button")
    assert browser.find(head).get_attribute("aria-sort") == "ascending"
    assert browser.texts(ACCOUNTS) == [basalt, acme, cobalt]
    browser.click("th[data-key=name] button")
    assert not browser.all(f"{head}[aria-sort]")
    assert browser.texts(ACCOUNTS) == [acme, basalt, cobalt]
    browser.click("th[data-key=name] button")
    assert browser.texts(ACCOUNTS) == [cobalt, basalt, acme]
    choose(browser, "order", "owner")
    assert browser.texts(ACCOUNTS) == [acme, cobalt, basalt]
    choose(browser, "order", "most valuable first")
    assert browser.texts(ACCOUNTS) == [acme, basalt, cobalt]  # an undo's removal has no value


def test_a_search_finds_words_in_any_order_without_accents(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    found = {"sud acme": "Acme Süd", "o briain": "Cobalt 9", "OFFER a review": "Acme Süd", "down 38": "Basalt 10"}
    for words, account in found.items():
        browser.press("/")
        browser.press(words)
        browser.wait("!document.querySelector('.reset').hidden")
        assert browser.texts(ACCOUNTS) == [account]
        browser.press(Keys.ESCAPE)
        assert len(browser.texts(ACCOUNTS)) == 3
        browser.run("document.activeElement.blur()")  # in the field, a "/" is a "/"


def test_the_keyboard_goes_through_the_accounts(browser: Browser, show: Show) -> None:
    plan, places = plans.long(400)
    show(plan, places)
    at = "return document.activeElement.querySelector('.name').textContent"
    seen = "const row = document.activeElement.getBoundingClientRect(); return row.bottom > 0 && row.top < innerHeight"
    worst = groups(plan, places)[0].place
    browser.run("document.querySelector('tr[data-item]').focus()")
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    second = browser.run(at)
    assert second == browser.texts(ACCOUNTS)[1]
    browser.press(Keys.END)
    last = browser.run(at)
    assert browser.run(seen)
    browser.press(Keys.HOME)
    assert browser.run(at) == worst.name
    assert browser.run(seen)
    assert len({second, last, worst.name}) == 3


def test_the_guard_the_hash_and_the_way_on_are_said(browser: Browser, show: Show) -> None:
    plan, places = plans.every_kind()
    show(plan, places)
    assert browser.texts("#guard") == ["Guard: held, a person decides first"]
    assert "Holds. 120 of 400 accounts" in browser.texts("tr.held")[0]
    assert "Passes. 3 of 400 scores" in browser.texts("tr.passes")[0]
    assert len(browser.texts("section:first-child tbody tr")) == 2
    assert browser.texts("#hash") == [plan.hash]
    assert "holdfast apply monday.plan" in browser.texts(".steps code")


def test_a_plan_that_is_too_old_says_so(browser: Browser, show: Show) -> None:
    plan, places = plans.every_kind()
    show(Plan(datetime.now(UTC), "env", "cfg", plan.records), places)
    assert not browser.find("#old").is_displayed()
    assert browser.texts("#age") == [", just now"]
    show(Plan(datetime(2020, 1, 1, tzinfo=UTC), "env", "cfg", plan.records[:1]), places)
    assert count(browser).startswith("1 account: ")
    assert browser.find("#old").is_displayed()
    assert re.fullmatch(r", \d+ days ago", browser.texts("#age")[0])


@pytest.mark.requirement("R36")
def test_names_can_do_nothing(browser: Browser, show: Show) -> None:
    texts = [
        "<script>window.ran = 1</script>",
        "<img src=x onerror='window.ran = 1'>",
        "</script><script>window.ran = 1</script>",
        "<!--<script>",
        "javascript:window.ran=1",
        "{{7*7}}${7*7}",
        "\u202egnp.exe\u2066",
        "a\x00b\x1b[31m",
        "x" * 5000,
        "' onmouseover='window.ran=1",
        "<a href=https://example.com>x</a>",
        "]]></style><style>*{display:none}",
        "__proto__",
        "constructor",
        "https://example.com/a.png",
    ]
    plan, places = plans.hostile(texts)
    show(plan, places)
    browser.press("/")
    browser.press("<script>")
    browser.wait("!document.querySelector('.reset').hidden")
    browser.click(".reset")
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return window.ran") is None
    assert set(browser.run(f"return [...document.querySelectorAll('{ACCOUNTS}')].map((one) => one.textContent)")) == {
        legible(text) for text in texts
    }
    assert browser.all("main img, main script, main a, main style, main iframe") == []
    assert not browser.find("#unlike").is_displayed()
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    # The browser fixture adds: nothing was asked for, and the policy had nothing to stop.


def test_printing_holds_every_row_and_the_dark_colours_do_not_print(browser: Browser, show: Show) -> None:
    plan, places = plans.long(100)
    show(plan, places)
    drawn = "return document.querySelectorAll('tr.account').length"
    assert browser.run(drawn) < 100
    browser.run(f"addEventListener('beforeprint', () => {{ window.printed = (() => {{ {drawn} }})() }})")
    assert browser.pdf().startswith(b"%PDF")
    assert browser.run("return window.printed") == 100
    assert browser.run(drawn) < 100
    browser.emulate(dark=True, media="print")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser.find(".boxes").is_displayed()


def test_paper_says_what_it_leaves_out_and_folds_nothing_away(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    choose(browser, "kind", "new tasks")
    choose(browser, "owner", "Dana Reyes")
    browser.emulate(media="print")
    assert browser.texts(".by") == ["Shown by Kind: new tasks (1); Owner: Dana Reyes (1)."]
    assert browser.texts(".body") == [""]
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.texts(".body") == [plans.every_kind()[0].tasks[0].body]


def test_dark_and_narrow_windows_are_readable(browser: Browser, show: Show) -> None:
    show(*plans.every_kind())
    contrast = """
      const lightness = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map((one) => {
        const part = one / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = (one) => { const colour = getComputedStyle(one).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' ? ground(one.parentElement) : colour; };
      const all = document.querySelectorAll('h1, .new, .old, .meta, .why, .held b, .passes b, .effect th, .none');
      return [...all].map((one) => {
        const [low, high] = [lightness(getComputedStyle(one).color), lightness(ground(one))].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05); })"""
    for dark in (False, True):
        browser.emulate(dark=dark)
        assert min(browser.run(contrast)) >= 4.5  # WCAG 2.2, 1.4.3
    browser.width(390)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_ten_thousand_accounts_open_at_once(browser: Browser, show: Show) -> None:
    """As a ratio, for machines differ: showing the page is a few times the work of reading its data."""
    show(*plans.long(10_000))
    opened = browser.work()
    browser.run("JSON.parse(document.getElementById('data').textContent)")
    read = browser.work() - opened
    assert count(browser).startswith("10,000 accounts: ")
    assert opened < 30 * read, f"opened in {opened:.2f} s, data read in {read:.3f} s"


def test_the_same_plan_gives_the_same_page() -> None:
    plan, places = plans.every_kind()
    pages: list[Any] = [plan_page(plan, About(places)) for _ in range(2)]
    assert pages[0] == pages[1]
    assert json.loads(pages[0].split('id="data">')[1].split("</script>")[0])["totals"] == totals(plan)


def test_signs_that_mislead_the_eye_are_seen() -> None:
    assert legible("a\u202eb\x00c\ud800d\u2066e") == "a\ufffdb\ufffdc\ufffdd\ufffde"
    assert legible("line\n\ttext ñ \U0001f469\u200d\U0001f4bb") == "line\n\ttext ñ \U0001f469\u200d\U0001f4bb"

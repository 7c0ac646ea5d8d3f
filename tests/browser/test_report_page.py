"""The report in a real browser: found, filtered, sorted, opened, by keyboard too; light, dark, narrow, on paper."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from benchmarks.report_data import NOW, fill
from report.build import report
from scoring.cards import Cards
from tests.browser.harness import Browser

HOSTILE = (
    "<img src=https://example.com/x onerror='window.ran = 1'>",
    "</script><script>window.ran = 1</script>",
    "\u202eexe.gnp",
    "javascript:window.ran=1",
)
ITEMS = "#list tr[data-item]"
TALLEST = 700
"""Accounts: many more than a window shows."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a firm with hostile customers, on disk."""
    folder = tmp_path_factory.mktemp("report")
    store = fill(folder / "state", TALLEST, 4, names=HOSTILE)
    target = folder / "report.html"
    target.write_text(report(store, Cards.load(), NOW).text, encoding="utf-8")
    store.close()
    return target


@pytest.fixture
def shown(browser: Browser, file: Path) -> Browser:
    """The report, opened, with its list in view."""
    browser.open(file)
    browser.click("nav a[href='#accounts']")
    browser.wait(f"document.querySelectorAll({ITEMS!r}).length > 10")
    return browser


def test_only_what_is_near_is_in_the_document(shown: Browser) -> None:
    assert shown.texts(".count") == [f"{len(shown.data()['accounts']):,} accounts"]
    assert len(shown.all(ITEMS)) < 300
    shown.run("document.querySelector('#list table').scrollIntoView({block: 'end'})")
    shown.wait(f"[...document.querySelectorAll({ITEMS!r})].some(it => Number(it.dataset.item) > 640)")
    assert len(shown.all(ITEMS)) < 300


def test_the_worst_come_first_and_columns_sort(shown: Browser) -> None:
    assert shown.texts(f"{ITEMS} td:nth-child(2)")[0] == "red"
    shown.click("#list th[data-key='score'] button")
    highest = [int(text) for text in shown.texts(f"{ITEMS} td:nth-child(3)")[:20]]
    assert highest == sorted(highest, reverse=True)
    assert shown.find("#list th[data-key='score']").get_attribute("aria-sort") == "descending"


def test_search_and_filter(shown: Browser) -> None:
    shown.write("#list input[type=search]", "garnet labs")
    shown.wait(f"[...document.querySelectorAll('{ITEMS} th')].every(it => it.textContent.includes('Garnet Labs'))")
    assert len(shown.all(ITEMS)) > 5
    shown.click("#list .reset")
    shown.run("const it = document.querySelector('[data-filter=band]'); it.selectedIndex = 2;"
              "it.dispatchEvent(new Event('change'))")  # fmt: skip
    assert set(shown.texts(f"{ITEMS} td:nth-child(2)")) == {"yellow"}


def test_an_account_opens_to_its_history_and_to_parts_that_add_up(shown: Browser) -> None:
    shown.click(f"{ITEMS} .opens")
    score = float(shown.texts(f"{ITEMS} td:nth-child(3)")[0])
    numbers = [text.replace("\N{MINUS SIGN}", "-") for text in shown.texts(".parts tbody .number")]
    assert sum(float(text) for text in numbers if text != "not known") == pytest.approx(score)
    assert shown.texts(".parts tfoot .number") == [f"{score:.1f}"]
    points = shown.find(".history polyline").get_attribute("points") or ""
    assert len(points.split()) == 4
    assert "4 weeks: from" in (shown.find(".history").get_attribute("aria-label") or "")


def test_it_is_used_by_keyboard_alone(shown: Browser) -> None:
    shown.press("/")
    assert shown.run("return document.activeElement.type") == "search"
    shown.press("A12", Keys.ESCAPE)
    shown.run(f"document.querySelector('{ITEMS}').focus()")
    shown.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert shown.find(".detail h3").text == "History"
    shown.press(Keys.HOME)
    assert shown.run("return document.activeElement.dataset.item") == "0"


def test_a_name_further_up_leads_to_its_account(shown: Browser) -> None:
    link = shown.find("#today a[data-account]")
    name = link.text
    shown.run("arguments[0].click()", link)
    assert shown.texts(f"{ITEMS} th")[0] == name
    assert shown.find(".detail .history").is_displayed()


def test_hostile_names_are_words(shown: Browser) -> None:
    for name in ("<img", "</script>", "javascript:"):
        shown.write("#list input[type=search]", name)
        shown.wait(f"document.querySelector({ITEMS!r})?.textContent.includes(arguments[0])", name)
        shown.click(f"{ITEMS} .opens")
    shown.write("#list input[type=search]", "exe.gnp")
    shown.wait(f"document.querySelector({ITEMS!r})?.textContent.includes('exe.gnp')")
    assert shown.run("return window.ran") is None
    assert shown.all("#list img") == []


@pytest.mark.parametrize(("pixels", "media"), [(390, ""), (1280, ""), (690, "print")])
def test_nothing_hangs_over_the_side(shown: Browser, pixels: int, media: str) -> None:
    shown.emulate(media=media)
    shown.width(pixels)  # 690: A4 between its margins
    shown.run("document.querySelector('#segments tbody th').textContent = 'S'.repeat(120)")
    assert shown.run("return document.documentElement.scrollWidth") <= pixels


def test_text_can_be_read_in_both_schemes(shown: Browser) -> None:
    for dark in (False, True):
        shown.emulate(dark=dark)
        for element in ("body", ".soft", ".late", "#list .count", "nav a"):
            assert contrast(shown, element) >= 4.5, (element, dark)


def contrast(browser: Browser, css: str) -> float:
    """Contrast of a text to the page, by WCAG 2.2."""
    ink, paper = (
        [int(part) for part in found.removeprefix("rgb(").removesuffix(")").split(",")]
        for found in browser.run(
            "return [getComputedStyle(document.querySelector(arguments[0])).color,"
            "getComputedStyle(document.body).backgroundColor]",
            css,
        )
    )
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[int]) -> float:
    """Relative luminance of an sRGB colour, by WCAG 2.2."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_paper_shows_every_chart_and_no_controls(shown: Browser) -> None:
    shown.emulate(media="print")
    assert not shown.find("nav").is_displayed()
    assert all(chart.is_displayed() for chart in shown.all(".pygal-chart"))
    assert len(shown.all(".pygal-chart")) == 3

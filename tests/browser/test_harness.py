"""The harness itself: it must see what it is there to see."""

from pathlib import Path

import pytest
from markupsafe import Markup
from selenium.webdriver.common.keys import Keys

from report.page import page
from tests.browser.harness import Browser, missing, require


def saved(folder: Path, text: str) -> Path:
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_clean_page_leaves_nothing(browser: Browser, tmp_path: Path) -> None:
    browser.open(
        saved(
            tmp_path, page("Kestrel & Söhne", Markup("<main id=main><p>Good morning</p></main>"), {"a": 1}, scripts=())
        )
    )
    assert browser.driver.title == "Kestrel & Söhne"
    assert browser.texts("p") == ["Good morning"]
    assert browser.data() == {"a": 1}


def test_what_a_page_tries_is_seen(browser: Browser, tmp_path: Path) -> None:
    hostile = Markup(
        "<main id=main><img src='https://example.com/a.png' onerror='window.ran = 1'><p style='color: red'>x</p>"
        "<script>window.ran = 1</script><iframe src='https://example.com/'></iframe></main>"
    )
    browser.open(saved(tmp_path, page("Hostile", hostile, None, scripts=())))
    browser.look()
    assert browser.run("return window.ran") is None
    seen = " ".join(browser.complaints)
    assert all(directive in seen for directive in ("img-src", "style-src", "script-src", "frame-src"))
    browser.complaints.clear()
    browser.requests.clear()


def test_a_request_is_seen(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, "<!doctype html><title>x</title><img src='http://example.com/a.png'>"))
    browser.look()
    assert browser.requests == ["http://example.com/a.png"]
    browser.requests.clear()
    browser.complaints.clear()


def test_dark_and_print_are_as_asked_for(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, page("Looks", Markup("<main id=main><p class=screen>x</p></main>"), None, scripts=())))
    colour = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(colour)
    browser.emulate(dark=True)
    assert browser.run(colour) != light
    browser.emulate(media="print")
    assert browser.texts("p") == [""]
    assert browser.pdf().startswith(b"%PDF")


def test_keys_reach_the_page(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, page("Keys", Markup("<main id=main tabindex=-1>x</main>"), None, scripts=())))
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    browser.press(Keys.ENTER)
    assert browser.run("return location.hash") == "#main"


def test_without_a_browser_these_tests_are_skipped_but_not_where_they_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    lacks = missing()
    assert lacks == "chromium and chromium-driver not installed: make browser"
    with pytest.raises(pytest.skip.Exception, match="make browser"):
        require(lacks, "")
    with pytest.raises(pytest.fail.Exception, match="HOLDFAST_BROWSER=required, but chromium"):
        require(lacks, "required")
    require("", "required")

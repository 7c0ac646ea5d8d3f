"""The report of 10,000 accounts: how long it takes to make, how large it is, and how soon Chromium shows it.

The first paint is when the first figures are seen; `DOMContentLoaded` is when all scripts have run and every account
can be searched; the rows of the list are drawn when somebody goes there.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report_data import NOW, fill
from report.build import report
from scoring.cards import Cards

ACCOUNTS = 10_000
WEEKS = 30
TRIES = 5

_OPENED = """
const page = performance.getEntriesByType("navigation")[0];
const paint = performance.getEntriesByName("first-contentful-paint")[0];
return [paint ? paint.startTime : null, page.domContentLoadedEventEnd];
"""
_ROWS = """
const [done, start] = [arguments[0], performance.now()];
document.getElementById("accounts").scrollIntoView();
const look = () => document.querySelector("#list tr[data-item]")
  ? done(performance.now() - start) : requestAnimationFrame(look);
look();
"""


def main(accounts: int = ACCOUNTS, weeks: int = WEEKS) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        store = fill(Path(folder) / "state", accounts, weeks)
        cards = Cards.load()
        started, busy = time.perf_counter(), time.process_time()
        text = report(store, cards, NOW).text
        taken, worked = time.perf_counter() - started, time.process_time() - busy
        store.close()
        page = Path(folder) / "report.html"
        page.write_text(text, encoding="utf-8")
        opened = _opened(page)
    what = f"report of {accounts:,} accounts, {weeks} weeks"
    return [
        {"name": f"{what}: made in", "value": round(taken, 1), "unit": "s"},
        {"name": "of that work of the processor", "value": round(worked, 1), "unit": "s"},
        {"name": "file", "value": round(len(text.encode()) / 1e6, 1), "unit": "MB"},
        *opened,
    ]


def _opened(page: Path) -> list[dict[str, Any]]:
    """The best of some tries in Chromium; nothing without one."""
    from tests.browser.harness import Browser, missing, start

    if missing():
        return [{"name": f"not opened: {missing()}", "value": 0, "unit": ""}]
    driver = start()
    try:
        browser, found = Browser(driver), []
        for _ in range(TRIES):
            browser.open(page)
            paint, loaded = browser.run(_OPENED)
            rows = driver.execute_async_script(_ROWS)
            found.append((paint or loaded, loaded, rows))
    finally:
        driver.quit()
    names = ("first paint after", "every account can be searched after", "rows of the list drawn after going there, in")
    return [
        {"name": name, "value": round(min(times)), "unit": "ms"}
        for name, times in zip(names, zip(*found, strict=True), strict=True)
    ]

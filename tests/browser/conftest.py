"""One Chromium for all tests of pages; every test ends with a look at what its page asked for and what was stopped.

Without a browser on the machine these tests are skipped and say so; with `HOLDFAST_BROWSER=required`, as in CI, they
fail instead.
"""

import os
from collections.abc import Iterator

import pytest

from tests.browser.harness import Browser, missing, require, start


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, started when the first test wants it."""
    require(missing(), os.environ.get("HOLDFAST_BROWSER", ""))
    driver = start()
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser with an empty tab. Afterwards the page must have asked for nothing, and nothing was stopped.

    A page that is self-contained and obeys its own policy leaves no request and no complaint; a name that was run or
    fetched leaves one. A test that expects some empties `requests` or `complaints` itself, after a `look`.
    """
    yield chromium
    chromium.look()
    requests, complaints = chromium.requests, chromium.complaints
    chromium.close()
    assert requests == []
    assert complaints == []

"""Chromium for the tests of pages: what a page shows, what it asks the network for, and what its policy stopped.

Driven by Selenium through Debian's `chromium-driver`. That driver is built from the same source package as Debian's
`chromium`, so the two always fit each other; Playwright brings a browser of its own and drives others on a best-effort
basis. Both ends talk over loopback, which is all that tests may use.
"""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"

PATIENCE = 10.0
"""Seconds until something that should happen at once counts as not happening; a busy machine is slow, not wrong."""

SIZE = (1280, 900)
"""Pixels of the window."""

_FLAGS = (
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--no-pings",
)


def missing() -> str:
    """What this machine lacks for tests in a browser, in words; empty when nothing is missing."""
    lacks = [] if any(map(shutil.which, PROGRAMS)) else ["chromium"]
    lacks += [] if shutil.which(DRIVER) else ["chromium-driver"]
    return f"{' and '.join(lacks)} not installed: make browser" if lacks else ""


def require(lacks: str, wish: str) -> None:
    """Skip a test for want of a browser, or fail it where there must be one.

    Args:
        lacks: What is missing, see `missing`.
        wish: `HOLDFAST_BROWSER`: "required" where these tests must run, anything else where they may.
    """
    if lacks and wish == "required":
        pytest.fail(f"HOLDFAST_BROWSER=required, but {lacks}")
    if lacks:
        pytest.skip(lacks)


def start() -> webdriver.Chrome:
    """Start the browser; `quit` ends it."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, PROGRAMS)))
    for flag in (*_FLAGS, f"--window-size={SIZE[0]},{SIZE[1]}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # it does not start for root otherwise
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which(DRIVER)))


class Browser:
    """One tab, and what a test asks of it.

    Attributes:
        driver: Selenium's own interface, for what has no short form here.
        requests: Every address asked for since the last `open`, the page's own left aside. Filled by `look`.
        complaints: What the console said since then: errors, and all that the content security policy stopped.
    """

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._page = ""
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})

    def open(self, file: Path) -> None:
        """Show a file as a person would: by opening it from the disk. Returns when its scripts have run."""
        self.driver.get("about:blank")
        self.look()
        self.requests, self.complaints = [], []
        self._page = file.resolve().as_uri()
        self.driver.get(self._page)

    def look(self) -> None:
        """Take in what the browser noted since the last look."""
        for entry in self._log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] in {"Network.requestWillBeSent", "Network.webSocketCreated"}:
                params = event["params"]
                url = params["request"]["url"] if "request" in params else params["url"]
                self.requests += [url] if url not in {self._page, "about:blank"} else []
        self.complaints += [
            entry["message"] for entry in self._log("browser") if entry["level"] in {"SEVERE", "WARNING"}
        ]

    def _log(self, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(name)  # type: ignore[no-untyped-call]
        return entries

    def close(self) -> None:
        """Leave the page, and undo what a test changed about the tab."""
        self.driver.get("about:blank")
        self.emulate()
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def work(self) -> float:
        """Seconds of processor time that the page's main thread took since it was opened, however busy the machine."""
        found = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(metric["value"] for metric in found if metric["name"] == "TaskDuration"))

    # -- seeing ----------------------------------------------------------------------------------------------------

    def find(self, css: str) -> WebElement:
        """The first element that a selector finds; waits for it."""
        return WebDriverWait(self.driver, PATIENCE).until(lambda it: it.find_element(By.CSS_SELECTOR, css))

    def all(self, css: str) -> list[WebElement]:
        """Every element that a selector finds now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        """What each element says that a selector finds now, as a person sees it."""
        texts: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map("
            "(one) => one.checkVisibility({visibilityProperty: true}) ? one.innerText.trim() : '')",
            css,
        )
        return texts

    def run(self, script: str, *args: object) -> Any:
        """What JavaScript returns; it runs beside the page, whatever the page's policy."""
        return self.driver.execute_script(script, *args)

    def wait(self, script: str, *args: object) -> Any:
        """Wait until a JavaScript expression is true, and return it."""
        return WebDriverWait(self.driver, PATIENCE).until(
            lambda _: self.run(f"return ({script})", *args), f"never true: {script}"
        )

    def data(self) -> Any:
        """The data that the page carries."""
        return json.loads(self.run("return document.getElementById('data').textContent"))

    # -- doing -----------------------------------------------------------------------------------------------------

    def click(self, css: str) -> None:
        """Click on the first element that a selector finds."""
        self.find(css).click()

    def write(self, css: str, text: str) -> None:
        """Replace what an input field holds by typing."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is: `Keys.TAB`, `"/"`."""
        ActionChains(self.driver).send_keys(*keys).perform()

    # -- looks -----------------------------------------------------------------------------------------------------

    def emulate(self, *, dark: bool = False, media: str = "") -> None:
        """Show the page as for somebody who prefers dark colours, or as it would be printed (`media="print"`)."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})

    def width(self, pixels: int) -> None:
        """Make the window as narrow as a telephone, or as wide as a wall."""
        size = {"width": pixels, "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def pdf(self) -> bytes:
        """The page as it would be printed."""
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])

    def screenshot(self, file: Path) -> None:
        """Save what is seen, as PNG."""
        file.write_bytes(self.driver.get_screenshot_as_png())

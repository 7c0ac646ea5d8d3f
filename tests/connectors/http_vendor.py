"""A made-up vendor for the tests of what is sent and sent again; `responses` stands for the network."""

from collections.abc import Callable
from functools import partial
from typing import Any

from connectors.http import Http

BASE = "https://api.vendor.example"
URL = f"{BASE}/thing"
Make = Callable[..., Http]


def vendor(clock: Any) -> Make:
    """Makes sessions with that vendor."""
    return partial(Http, "vendor", BASE, clock=clock, auth={"Authorization": "Bearer tok-1"}, secrets=["tok-1"])

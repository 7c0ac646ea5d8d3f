"""mixpanel-utils as released, over loopback."""

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mixpanel_utils import MixpanelUtils

from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER, Sandbox
from sandbox.serve import Running, serve

DAY = {"from_date": "2026-11-18", "to_date": "2026-11-19"}


@pytest.fixture(scope="module")
def running(world: Any) -> Iterator[Running]:
    with serve(Sandbox(world, vendors=("mixpanel",), options={"mixpanel": {"export_per_second": 1000}})) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[Callable[..., MixpanelUtils]]:
    def make(secret: str = MIXPANEL_SECRET) -> MixpanelUtils:
        made = MixpanelUtils(secret, service_account_username=MIXPANEL_USER, project_id=MIXPANEL_PROJECT)
        made.raw_api = made.formatted_api = f"{running.base_urls['mixpanel']}/api"
        return made

    yield make
    logging.getLogger("mixpanel_utils").handlers.clear()


def test_raw_stream(client: Callable[..., MixpanelUtils]) -> None:
    with client().query_export(dict(DAY), raw_stream=True) as stream:
        assert stream.headers["Transfer-Encoding"] == "chunked"
        lines = list(stream)
    events = [json.loads(line) for line in lines]
    assert events == client().query_export(dict(DAY))
    assert len(events) > 1000


def test_raw_stream_with_gzip(client: Callable[..., MixpanelUtils]) -> None:
    with client().query_export(dict(DAY), raw_stream=True, add_gzip_header=True) as stream:
        packed = stream.read()
    assert len(gzip.decompress(packed).split(b"\n")) == len(client().query_export(dict(DAY))) + 1


def test_engage(client: Callable[..., MixpanelUtils], world: Any) -> None:
    profiles = client().query_engage({})
    assert len(profiles) == 1 + sum(1 for p in world.people if p.product_user_id and p.created_at <= world.now)


def test_a_wrong_secret_gives_nothing(client: Callable[..., MixpanelUtils]) -> None:
    assert client("wrong").query_export(dict(DAY), raw_stream=True) is None


def test_nothing_exported_is_an_empty_list(client: Callable[..., MixpanelUtils]) -> None:
    assert client().query_export({"from_date": "2020-01-01", "to_date": "2020-01-01"}) == []

"""The two sources over a real socket: chunked and gzip bodies, keep-alive, a connection that drops in the middle."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors import mixpanel, zendesk
from connectors.base import Batch, Source
from sandbox.core import (
    MIXPANEL_PROJECT,
    MIXPANEL_SECRET,
    MIXPANEL_USER,
    ZENDESK_EMAIL,
    ZENDESK_TOKEN,
    Sandbox,
)
from sandbox.faults import Fault
from sandbox.serve import serve
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def sandbox() -> Sandbox:
    world = make_world(seed=5, accounts=12, people_per_account=6, months=2, now=NOW)
    return Sandbox(world, vendors=("zendesk", "mixpanel"))


def everything(source: Source) -> dict[str, list[Batch]]:
    return {stream.name: list(source.pull(stream, None)) for stream in source.streams}


def test_zendesk_over_a_socket(sandbox: Sandbox) -> None:
    with serve(sandbox) as running:
        settings = zendesk.Settings(
            subdomain="acme", email=ZENDESK_EMAIL, token=ZENDESK_TOKEN, base_url=running.base_urls["zendesk"]
        )
        source = zendesk.connect("zendesk", settings, clock=sandbox.clock)
        sandbox.faults.add(Fault("cut", path="tickets"))
        found = everything(source)
        assert source.environment().account_id == "acme"
    assert sum(len(batch.rows) for batch in found["tickets"]) > 20
    assert source.calls["tickets"] == 2


def test_mixpanel_over_a_socket(sandbox: Sandbox, tmp_path: Path) -> None:
    with serve(sandbox) as running:
        settings = mixpanel.Settings(
            project_id=MIXPANEL_PROJECT,
            username=MIXPANEL_USER,
            secret=MIXPANEL_SECRET,
            history_days=20,
            base_url=running.base_urls["mixpanel"],
        )
        source = mixpanel.connect("mixpanel", settings, clock=sandbox.clock, spool=tmp_path)
        sandbox.faults.add(Fault("cut", path="export"))
        found = everything(source)
        assert source.environment().account_id == "4242"
    (batch,) = found["events"]
    assert batch.export is not None
    assert batch.export.path.suffix == ".gz"
    assert gzip.decompress(batch.export.path.read_bytes()).count(b"\n") > 100
    assert source.calls["events"] == 2
    assert len(list(tmp_path.rglob("*.jsonl*"))) == 1
    assert sum(len(batch.rows) for batch in found["profiles"]) > 20

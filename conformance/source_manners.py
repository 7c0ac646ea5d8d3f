"""What any source owes its caller: no surprise requests, no writes, cursors and rows that can be kept."""

import json
from datetime import timedelta

import pytest

from conformance.held import Held
from conformance.rig import Rig
from conformance.source_trouble import told
from connectors.base import Environment, Finding, Source
from connectors.errors import CredentialsError


def test_connecting_sends_nothing(rig: Rig) -> None:
    source = rig.connect()
    assert isinstance(source, Source)
    assert source.name == rig.vendor
    assert (rig.calls(), sum(source.calls.values())) == (0, 0)


def test_it_says_which_account_it_is(rig: Rig) -> None:
    where = rig.source.environment()
    assert isinstance(where, Environment)
    assert where.vendor == rig.vendor
    assert where.account_id in where.fingerprint
    assert rig.connect().environment() == where
    assert rig.box.journal.writes() == 0


def test_an_unknown_credential_has_no_account(rig: Rig) -> None:
    source = rig.connect(**rig.wrong())
    with pytest.raises(CredentialsError) as caught:
        source.environment()
    told(rig, caught.value, advice=True)
    with pytest.raises(CredentialsError):
        list(source.check())
    assert rig.calls() <= 6


def test_a_check_of_a_healthy_account_finds_no_error(rig: Rig) -> None:
    findings = list(rig.source.check())
    assert all(isinstance(finding, Finding) for finding in findings)
    assert findings[0].code == "identity"
    assert [finding for finding in findings if finding.severity == "error"] == []
    assert rig.box.journal.writes() == 0


def test_a_pull_writes_nothing_and_counts_its_calls(rig: Rig, stream: str, held: Held) -> None:
    held.pull()
    rig.wait(timedelta(hours=25))
    held.pull()
    assert rig.box.journal.writes() == 0
    assert sum(rig.source.calls.values()) == rig.calls() > 0


def test_cursors_are_text_that_survives_json(rig: Rig, stream: str, held: Held) -> None:
    for _ in range(2):
        batches = held.pull()
        assert batches[-1].cursor is not None
        for batch in batches:
            assert batch.cursor is None or type(batch.cursor) is str
            assert json.loads(json.dumps(batch.cursor)) == batch.cursor
            assert not [secret for secret in rig.secrets if secret in str(batch.cursor)]
        rig.wait(timedelta(hours=25))


def test_rows_can_be_kept_as_json(rig: Rig, stream: str, held: Held) -> None:
    for batch in held.pull():
        for row in rig.rows(batch):
            assert json.loads(json.dumps(row, allow_nan=False)) == row
        assert all(type(one) is str for one in (*batch.deleted, *batch.merged, *batch.merged.values()))


def test_pages_carry_the_time_at_which_they_were_served(rig: Rig, stream: str, held: Held) -> None:
    for batch in held.pull():
        assert batch.server_time is not None
        assert batch.server_time.utcoffset() == timedelta(0)
        assert abs(batch.server_time - rig.box.clock.now()) < timedelta(minutes=10)


def test_only_a_whole_listing_says_that_it_is_one(rig: Rig, stream: str, held: Held) -> None:
    total = len(held.pull())
    for cut in range(1, min(total, 4)):
        killed = Held(rig, stream)
        killed.pull(rig.connect(), stop_after=cut)
        assert not any(batch.full for batch in killed.batches)
        batches = killed.pull(rig.connect())
        assert not any(batch.full for batch in batches[:-1])
        if batches[-1].full:
            assert {rig.key(stream, row) for batch in batches for row in rig.rows(batch)} == rig.truth(stream)

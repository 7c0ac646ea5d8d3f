"""Any source in trouble: patient with what passes, plain about what does not, and nothing of it costs a record."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from conformance.held import Held
from conformance.rig import Rig
from conformance.words import ALWAYS
from connectors.base import Row
from connectors.circuit import COOL_DOWN_MOST, FAILURES
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    QuotaError,
    ShapeError,
    TransientError,
)
from connectors.retry import RETIRED, TRIES

PASSING: Sequence[dict[str, Any]] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 504},
    {"kind": "html", "status": 200},
    {"kind": "html", "status": 502},
    {"kind": "reset"},
    {"kind": "cut"},
    {"kind": "timeout_before"},
    {"kind": "timeout_after"},
)
"""What a network does for a moment ..."""
LASTING = [PASSING[n] for n in (2, 4, 6, 7, 8)]
"""... and what it may do for a day."""


def label(fault: dict[str, Any]) -> str:
    return "-".join(str(value) for value in fault.values())


def told(rig: Rig, error: ConnectorError, *, advice: bool = False) -> None:
    """Every error names its vendor, the ones for people say what to do, and none shows a secret."""
    assert error.vendor == rig.vendor
    assert error.message
    if advice:
        assert error.advice
    text = " ".join(map(repr, (str(error), error.message, error.advice, error, error.__cause__)))
    assert not [secret for secret in rig.secrets if secret in text]


def recovers(rig: Rig, stream: str, held: Held) -> None:
    """Once the trouble is over, the next pull has everything."""
    rig.restore()
    held.pull(rig.connect())
    assert held.rows.keys() == rig.truth(stream)


def broken(rig: Rig, held: Held, error: type[ConnectorError], *, advice: bool = False) -> ConnectorError:
    """The pull ends in this error."""
    with pytest.raises(error) as caught:
        held.pull()
    told(rig, caught.value, advice=advice)
    return caught.value


def test_bad_credentials_are_said_at_once(rig: Rig, stream: str, held: Held) -> None:
    source = rig.connect(**rig.wrong())
    with pytest.raises(CredentialsError) as caught:
        held.pull(source)
    told(rig, caught.value, advice=True)
    assert rig.calls() <= 3


def test_a_secret_that_the_vendor_repeats_is_not_shown(rig: Rig, stream: str, held: Held) -> None:
    body = rig.refusal(f"what is {rig.secrets[0]}?")
    rig.fault("status", rig.page(stream), status=400, body=body, times=ALWAYS)
    assert "***" in str(broken(rig, held, ConnectorError))


def test_a_token_that_expires_in_mid_pull_costs_nothing(rig: Rig, stream: str, held: Held) -> None:
    def expire() -> None:
        rig.expire(stream)

    if rig.refreshes:
        held.pull(meanwhile=expire)
    else:
        with pytest.raises(CredentialsError) as caught:
            held.pull(meanwhile=expire)
        told(rig, caught.value, advice=True)
    recovers(rig, stream, held)


def test_a_missing_right_is_named(rig: Rig, stream: str, held: Held) -> None:
    source = rig.forbid(stream)
    with pytest.raises(MissingPermissionError) as caught:
        held.pull(source)
    told(rig, caught.value, advice=True)
    assert rig.named(stream) in str(caught.value)
    recovers(rig, stream, held)


def test_too_many_requests_are_waited_out_for_as_long_as_asked(rig: Rig, stream: str, held: Held) -> None:
    fault = rig.too_many()
    rig.fault("status", rig.page(stream), **fault, headers={"Retry-After": "7"})
    before = rig.box.clock.monotonic()
    held.pull()
    assert rig.box.clock.monotonic() - before >= 7
    assert held.rows.keys() == rig.truth(stream)


def test_too_many_requests_without_a_hint_are_waited_out_too(rig: Rig, stream: str, held: Held) -> None:
    rig.fault("status", rig.page(stream), **rig.too_many())
    held.pull()
    assert held.rows.keys() == rig.truth(stream)


def test_a_used_up_day_loses_nothing(rig: Rig, stream: str, held: Held) -> None:
    with pytest.raises(QuotaError) as caught:
        held.pull(meanwhile=lambda: rig.exhaust(stream))
    told(rig, caught.value, advice=True)
    rig.wait(rig.calls_return)
    recovers(rig, stream, held)


def test_a_passing_failure_goes_unnoticed(rig: Rig, stream: str) -> None:
    for fault in PASSING:
        held = Held(rig, stream)
        rig.fault(path=rig.page(stream), **fault)
        held.pull(rig.connect())
        assert held.rows.keys() == rig.truth(stream), label(fault)
        rig.mend()


def test_a_lasting_failure_keeps_the_place(rig: Rig, stream: str) -> None:
    for fault in LASTING:
        held = Held(rig, stream)
        rig.box.journal.clear()
        rig.fault(path=rig.page(stream), **fault, nth=range(2, ALWAYS))
        error = broken(rig, held, ConnectorError)
        assert isinstance(error, ShapeError if label(fault) == "html-200" else TransientError), label(fault)
        assert rig.calls(stream) < 60, label(fault)
        recovers(rig, stream, held)


def test_a_retired_address_is_a_named_alarm(rig: Rig, stream: str, held: Held) -> None:
    body = json.dumps({"message": "This version has been retired."})
    rig.fault("status", rig.page(stream), status=410, body=body, times=ALWAYS)
    rig.box.journal.clear()
    error = broken(rig, held, ConnectorError)
    assert isinstance(error, ConfigError)
    assert (error.code, error.status) == (RETIRED, 410)
    assert error.advice
    assert rig.calls(stream) == 1
    recovers(rig, stream, held)


def test_a_vendor_that_is_down_is_given_up_for_all_streams_at_once(rig: Rig) -> None:
    rig.fault("status", "", status=503, times=ALWAYS)
    source, clock = rig.connect(), rig.box.clock
    asking = [stream for stream in source.streams if stream.name not in rig.silent]
    rig.box.journal.clear()
    began = clock.monotonic()
    for _ in range(3):
        for stream in asking:
            with pytest.raises(TransientError):
                list(source.pull(stream, None))
    hosts = 2  # of a vendor whose streams come from several
    assert len(rig.box.journal) <= hosts * (TRIES + FAILURES)
    assert clock.monotonic() - began < hosts * 120, "one round of retries, not one for each stream"
    rig.mend()
    clock.sleep(COOL_DOWN_MOST)
    for stream in source.streams:
        list(source.pull(stream, None))


def test_json_of_another_shape_is_refused(rig: Rig, stream: str) -> None:
    for body in rig.wrong_shapes(stream):
        held = Held(rig, stream)
        rig.fault("status", rig.page(stream), status=200, body=json.dumps(body), times=ALWAYS)
        error = broken(rig, held, ConnectorError)
        assert isinstance(error, ShapeError | TransientError), body
        assert not held.rows, body
        recovers(rig, stream, held)


def test_text_that_is_no_json_is_refused(rig: Rig, stream: str, held: Held) -> None:
    rig.fault("not_json", rig.page(stream), times=ALWAYS)
    assert isinstance(broken(rig, held, ConnectorError), ShapeError | TransientError)
    recovers(rig, stream, held)


def test_an_unknown_field_is_ignored(rig: Rig, stream: str, held: Held) -> None:
    def add(rows: list[Row]) -> list[Row]:
        return [{**row, "sandbox_unknown": {"nested": [1, None]}} for row in rows]

    rig.tamper(stream, add)
    batches = held.pull()
    assert not rig.adapter.tampers
    assert held.rows.keys() == rig.truth(stream)
    if stream in rig.map.streams:
        mapped = rig.map.apply(rig.vendor, stream, rig.rows(batches[0]), rig.box.clock.now())
        assert mapped.rejects == []


def test_a_record_without_a_usable_id_costs_only_itself(rig: Rig, stream: str) -> None:
    costs_only_itself(rig, stream, lambda row: rig.spoiled(stream, row))


def test_a_row_that_is_no_object_costs_only_itself(rig: Rig, stream: str) -> None:
    costs_only_itself(rig, stream, lambda _: (None, "text", 7, []))


def costs_only_itself(rig: Rig, stream: str, spoil: Callable[[Row], Sequence[Any]]) -> None:
    """One bad record on a page: the others come through, and the bad one is set aside with a reason."""
    whole = Held(rig, stream)
    whole.pull()
    rows = rig.rows(whole.batches[0])
    place = next(n for n, row in enumerate(rows) if counts(rig, stream, row))
    for bad in spoil(rows[place]):
        one_costs_only_itself(rig, whole, place, rig.key(stream, rows[place]), bad)


def one_costs_only_itself(rig: Rig, whole: Held, place: int, key: str, bad: Any) -> None:
    stream = whole.stream
    rig.tamper(stream, lambda rows: [*rows[:place], bad, *rows[place + 1 :]])
    taken = [row for batch in rig.connect().pull(rig.stream(stream), None) for row in rig.rows(batch)]
    assert not rig.adapter.tampers
    if stream not in rig.map.streams:
        assert bad in taken, "it is for the reader of the export to set aside"
        taken.remove(bad)
        assert {rig.key(stream, row) for row in taken} == whole.rows.keys() - {key}
        return
    now = rig.box.clock.now()
    mapped = rig.map.apply(rig.vendor, stream, taken, now)
    good = rig.map.apply(rig.vendor, stream, list(whole.rows.values()), now)
    assert len(mapped.rejects) == 1
    assert {r.source_id for r in good.records} - {r.source_id for r in mapped.records} == {key}


def counts(rig: Rig, stream: str, row: Row) -> bool:
    """Whether a row is a record at all; an offer to answer that nobody took up is none."""
    if stream not in rig.map.streams:
        return True
    return bool(rig.map.apply(rig.vendor, stream, [row], rig.box.clock.now()).records)

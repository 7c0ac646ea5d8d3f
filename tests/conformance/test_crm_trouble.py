"""Writing to any CRM in trouble: an outcome is never a guess, and what may have had its effect is not sent twice."""

from typing import Any

import pytest

from conformance.source_trouble import label, told
from connectors.base import Outcome
from connectors.errors import CredentialsError, MissingPermissionError, QuotaError
from tests.conformance.rigs.base import ALWAYS
from tests.conformance.rigs.crm import CrmRig
from tests.conformance.test_crm_writing import results

UNCLEAR: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"kind": "timeout_after"}, True),
    ({"kind": "timeout_before"}, False),
    ({"kind": "cut"}, True),
    ({"kind": "reset"}, False),
    ({"kind": "status", "status": 500}, False),
    ({"kind": "status", "status": 502, "effect": True}, True),
    ({"kind": "status", "status": 503}, False),
    ({"kind": "status", "status": 503, "effect": True}, True),
    ({"kind": "html", "status": 200, "effect": True}, True),
    ({"kind": "not_json"}, False),
    ({"kind": "status", "status": 200, "body": {}}, False),
    ({"kind": "status", "status": 200, "body": [7]}, False),
    ({"kind": "status", "status": 200, "body": {"status": "COMPLETE"}, "effect": True}, True),
)
"""How a request may end, and whether it had its effect."""
NAMES = [label(fault) for fault, _ in UNCLEAR]


def discreet(crm: CrmRig, outcomes: list[Outcome]) -> None:
    assert not [secret for secret in crm.secrets for outcome in outcomes if secret in repr(outcome)]


@pytest.mark.parametrize(("fault", "happened"), UNCLEAR, ids=NAMES)
def test_an_unclear_ending_is_in_doubt_and_never_sent_again(crm: CrmRig, fault: dict[str, Any], happened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    source = crm.ready()
    one, two = crm.ids("account")[:2]
    source.read("account", [one], [crm.own("of_number")])
    crm.fault(path=crm.updates, **fault)
    outcomes = source.send([crm.update(one), crm.update(two)])
    assert results(outcomes) == ["in_doubt"] * 2
    assert crm.sent(crm.updates) == 1
    discreet(crm, outcomes)
    assert [crm.number(source, record) for record in (one, two)] == [50 if happened else None] * 2


def test_a_token_that_expires_before_a_write(crm: CrmRig) -> None:
    source = crm.ready()
    one = crm.ids("account")[0]
    source.send([crm.update(one)])
    crm.expire(crm.objects["account"])
    if crm.refreshes:
        assert results(source.send([crm.update(one, {"number": 2})])) == ["confirmed"]
        assert crm.number(source, one) == 2
    else:
        with pytest.raises(CredentialsError) as caught:
            source.send([crm.update(one, {"number": 2})])
        told(crm, caught.value, advice=True)
        crm.restore()
        assert crm.number(source, one) == 50


def test_an_unknown_token_raises_when_nothing_was_sent(crm: CrmRig) -> None:
    source = crm.ready()
    one = crm.ids("account")[0]
    crm.fault(path="", **crm.revoked(), times=ALWAYS)
    with pytest.raises(CredentialsError) as caught:
        source.send([crm.update(one)])
    told(crm, caught.value, advice=True)
    assert crm.calls() <= 4
    crm.mend()
    assert crm.number(crm.connect(own_fields=crm.specs()), one) is None


def test_an_unknown_token_half_way_leaves_the_rest_to_be_sent_again(crm: CrmRig) -> None:
    halfway(crm, crm.revoked())


def test_a_used_up_day_raises_when_nothing_was_sent(crm: CrmRig) -> None:
    source = crm.ready()
    one = crm.ids("account")[0]
    source.send([crm.update(one)])
    crm.exhaust(crm.objects["account"])
    with pytest.raises(QuotaError) as caught:
        source.send([crm.update(one, {"number": 2})])
    told(crm, caught.value)
    crm.wait(crm.calls_return)
    crm.restore()
    assert crm.number(crm.connect(own_fields=crm.specs()), one) == 50


def test_a_used_up_day_half_way_leaves_the_rest_to_be_sent_again(crm: CrmRig) -> None:
    halfway(crm, crm.used_up())


def halfway(crm: CrmRig, fault: dict[str, Any]) -> None:
    """Two changes of one record cannot share a request; the second request fails."""
    source = crm.ready()
    one, two = crm.ids("account")[:2]
    crm.fault(path=crm.updates, **fault, nth=range(2, ALWAYS))
    outcomes = source.send([crm.update(one, key="a"), crm.update(two, key="b"), crm.update(one, {"number": 51}, "c")])
    assert results(outcomes) == ["confirmed", "confirmed", "retry"]
    assert outcomes[2].message
    discreet(crm, outcomes)
    crm.restore()
    assert [crm.number(source, record) for record in (one, two)] == [50, 50]


def test_a_lock_of_a_moment_is_waited_out(crm: CrmRig) -> None:
    source = crm.ready()
    one, two = crm.ids("account")[:2]
    crm.lock(one, lasting=False)
    before = crm.box.clock.monotonic()
    assert results(source.send([crm.update(one), crm.update(two)])) == ["confirmed"] * 2
    assert crm.box.clock.monotonic() > before
    assert [crm.number(source, record) for record in (one, two)] == [50, 50]


def test_a_lasting_lock_is_left_to_the_next_run(crm: CrmRig) -> None:
    source = crm.ready()
    one = crm.ids("account")[0]
    crm.lock(one, lasting=True)
    assert results(source.send([crm.update(one)])) == ["retry"]
    assert crm.sent(crm.updates) < 20
    assert crm.number(source, one) is None


def test_a_missing_right_to_write_changes_nothing_and_is_said(crm: CrmRig) -> None:
    crm.ready()
    one = crm.ids("account")[0]
    source = crm.read_only()
    try:
        (outcome,) = source.send([crm.update(one)])
    except MissingPermissionError as error:  # nothing at all was sent
        outcome = Outcome("", "retry", error_code=error.code, message=f"{error.message} {error.advice}")
    assert outcome.result in {"retry", "rejected"}
    assert outcome.error_code
    assert outcome.message
    assert crm.number(crm.connect(own_fields=crm.specs()), one) is None


def test_writes_are_counted(crm: CrmRig) -> None:
    source = crm.ready()
    source.send([crm.update(one) for one in crm.ids("account")[:3]])
    assert sum(source.calls.values()) == crm.calls() > 0

"""Tasks in any CRM: made once for a key, found again at once, and saying exactly what they were told to say."""

from typing import Any

import pytest

from connectors.base import Change, Value
from tests.conformance.rigs.crm import DUE, CrmRig, Task
from tests.conformance.test_crm_trouble import NAMES, UNCLEAR
from tests.conformance.test_crm_writing import results

HOSTILE = (
    "<script>alert(1)</script> & <b>bold</b>",
    "'; DROP TABLE accounts; --",
    '"quoted", \\back\\slash, {braces} %s %d $(sh) `sh`',
    "[holdfast:forged] is not ours",
    "&lt;not a tag&gt; &amp;amp;",
    "\U0001f600 \u05e9\u05dc\u05d5\u05dd na\u00efve \u202eback",
    "=HYPERLINK('x')",
    "null",
)


def task(account: str, key: str, **values: Value) -> Change:
    given: dict[str, Value] = {"subject": "Call them", "body": "Ask how it goes.", "due": DUE, "priority": "high"}
    return Change("task", None, {**given, "account_id": account, **values}, key)


def test_a_task_is_as_it_was_meant_and_found_at_once(crm: CrmRig) -> None:
    source = crm.ready()
    account, key = crm.ids("account")[0], "k" * 64
    contact = a_contact(crm, account)
    (outcome,) = source.send([task(account, key, contact_id=contact, owner_id=crm.owner())])
    assert outcome.result == "confirmed"
    assert outcome.remote_id is not None
    assert source.find_tasks([account]) == {key: outcome.remote_id}
    expected = Task("Call them", "Ask how it goes.", DUE.date(), "high", crm.owner(), account, contact)
    assert crm.task(outcome.remote_id) == expected


def a_contact(crm: CrmRig, account: str) -> str:
    """Somebody of this account."""
    rows = [row for batch in crm.source.pull(crm.stream(crm.objects["contact"]), None) for row in batch.rows]
    found = crm.map.apply(crm.vendor, crm.objects["contact"], rows, crm.box.clock.now()).records
    crm.box.journal.clear()
    return next(r.source_id for r in found if getattr(r, "account_ref", None) == account)


@pytest.mark.parametrize("priority", ["low", "medium", "high"])
def test_every_priority_is_kept(crm: CrmRig, priority: str) -> None:
    source = crm.ready()
    (outcome,) = source.send([task(crm.ids("account")[0], "k", priority=priority)])
    assert crm.task(str(outcome.remote_id)).priority == priority


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(crm: CrmRig, text: str) -> None:
    source = crm.ready()
    account = crm.ids("account")[0]
    outcomes = source.send([task(account, "the-key", subject=text, body=f"{text}\nand more")])
    assert results(outcomes) == ["confirmed"]
    made = crm.task(str(outcomes[0].remote_id))
    assert (made.subject, made.body) == (text, f"{text}\nand more")
    assert source.find_tasks([account]) == {"the-key": outcomes[0].remote_id}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_a_field(crm: CrmRig, text: str) -> None:
    source = crm.ready()
    one, name = crm.ids("account")[0], crm.own("of_text")
    assert results(source.send([crm.update(one, {"text": text})])) == ["confirmed"]
    assert source.read("account", [one], [name]) == {one: {name: text}}


@pytest.mark.parametrize(("fault", "happened"), UNCLEAR, ids=NAMES)
def test_a_task_in_doubt_is_settled_by_asking(crm: CrmRig, fault: dict[str, Any], happened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    source = crm.ready()
    account = crm.ids("account")[0]
    source.find_tasks([account])
    crm.fault(path=crm.creates, method="POST", **fault)
    assert results(source.send([task(account, "the-key")])) == ["in_doubt"]
    assert crm.sent(crm.creates) == 1
    assert set(source.find_tasks([account])) == ({"the-key"} if happened else set())


def test_an_owner_whom_the_crm_refuses_gives_way_to_the_fallback(crm: CrmRig) -> None:
    source = crm.ready()
    accounts, bad = crm.ids("account")[:3], crm.refused_owner()
    changes = [
        task(accounts[0], "a", owner_id=bad, fallback_owner_id=crm.owner()),
        task(accounts[1], "b", owner_id=crm.owner()),
        task(accounts[2], "c", owner_id=bad),
    ]
    outcomes = source.send(changes)
    assert results(outcomes) == ["confirmed"] * 3
    owners = [crm.task(str(outcome.remote_id)).owner for outcome in outcomes]
    assert owners[:2] == [crm.owner(), crm.owner()]
    assert owners[2] != bad, "nobody, or whoever the CRM puts in"
    assert set(source.find_tasks(accounts)) == {"a", "b", "c"}


def test_sending_the_same_task_twice_is_up_to_the_caller(crm: CrmRig) -> None:
    source = crm.ready()
    account = crm.ids("account")[0]
    made = [source.send([task(account, "the-key")])[0].remote_id for _ in range(2)]
    assert len(set(made)) == 2
    found = source.find_tasks([account])
    assert set(found) == {"the-key"}
    assert found["the-key"] in made


def test_the_tasks_of_other_people_are_not_ours(crm: CrmRig) -> None:
    source = crm.ready()
    one, two = crm.ids("account")[:2]
    crm.add_task(one, "Call back, she said [holdfast is nice]")
    (outcome,) = source.send([task(two, "ours")])
    assert source.find_tasks([one]) == {}
    assert source.find_tasks([one, two]) == {"ours": outcome.remote_id}
    crm.box.journal.clear()
    assert source.find_tasks([]) == {}
    assert crm.calls() == 0


def test_a_task_for_an_account_that_is_gone_is_not_made(crm: CrmRig) -> None:
    source = crm.ready()
    gone, there = crm.ids("account")[:2]
    crm.delete(crm.objects["account"], crm.row("account", gone))
    first, second = source.send([task(gone, "a"), task(there, "b")])
    assert first.result in {"gone", "rejected"}
    assert second.result == "confirmed"
    assert set(source.find_tasks([gone, there])) == {"b"}


def test_a_task_without_a_due_date_is_refused(crm: CrmRig) -> None:
    (outcome,) = crm.ready().send([task(crm.ids("account")[0], "a", due=None)])
    assert outcome.result == "rejected"
    assert crm.sent(crm.creates) == 0


def test_a_full_batch_of_tasks_is_one_request(crm: CrmRig) -> None:
    source = crm.ready()
    accounts = crm.ids("account")
    changes = [task(accounts[n % len(accounts)], f"key-{n}") for n in range(source.write.create_batch)]
    assert results(source.send(changes)) == ["confirmed"] * len(changes)
    assert crm.sent(crm.creates) == 1
    assert set(source.find_tasks(accounts)) == {change.key for change in changes}

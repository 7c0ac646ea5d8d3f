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


def test_a_task_can_be_looked_at(crm: CrmRig) -> None:
    source = crm.ready()
    account = crm.ids("account")[0]
    body = "Ask <b>how</b> it goes.\n\nAnd & why; 100 %"
    (made,) = source.send([task(account, "k" * 64, body=body, owner_id=crm.owner())])
    by_hand = crm.add_task(account, "Call back")
    task_id = str(made.remote_id)
    found = source.read_tasks([task_id, by_hand, "nonsense", task_id])
    assert set(found) == {task_id, by_hand}
    state = found[task_id]
    assert (state.task_id, state.key, state.account_id) == (task_id, "k" * 64, account)
    assert (state.subject, state.body, state.owner_id) == ("Call them", body, crm.owner())
    assert (state.closed, state.touched) == (False, False)
    assert state.due is not None
    assert state.due.date() == DUE.date()
    assert state.created_at == state.modified_at == crm.box.clock.now().replace(microsecond=0)
    assert found[by_hand].key == ""
    assert source.read_tasks([]) == {}


@pytest.mark.parametrize("how", ["edit", "close", "reassign"])
def test_a_task_that_somebody_touched_shows_it(crm: CrmRig, how: str) -> None:
    source = crm.ready()
    account = crm.ids("account")[0]
    one, other = [str(o.remote_id) for o in source.send([task(account, "a"), task(account, "b")])]
    crm.box.clock.sleep(3600)
    assert not any(state.touched for state in source.read_tasks([one, other]).values())
    crm.touch_task(one, how)
    assert {task_id: state.touched for task_id, state in source.read_tasks([one, other]).items()} == {
        one: True,
        other: False,
    }


def remove(task_id: str | None) -> Change:
    return Change("task", task_id, {}, f"rm-{task_id}")


def test_a_task_is_taken_away_and_is_then_gone(crm: CrmRig) -> None:
    source = crm.ready()
    account = crm.ids("account")[0]
    one, other = [str(o.remote_id) for o in source.send([task(account, "a"), task(account, "b")])]
    (outcome,) = source.send([remove(one)])
    assert (outcome.key, outcome.result, outcome.remote_id) == (f"rm-{one}", "confirmed", one)
    assert crm.sent(crm.removes[1]) >= 1
    assert source.find_tasks([account]) == {"b": other}
    assert set(source.read_tasks([one, other])) == {other}
    crm.box.journal.clear()
    assert results(source.send([remove(one), remove(other), remove("nonsense")])) == ["gone", "confirmed", "rejected"]
    assert source.find_tasks([account]) == {}


def test_a_full_batch_of_tasks_is_taken_away(crm: CrmRig) -> None:
    source = crm.ready()
    accounts = crm.ids("account")
    changes = [task(accounts[n % len(accounts)], f"key-{n}") for n in range(source.write.create_batch)]
    made = [outcome.remote_id for outcome in source.send(changes)]
    assert results(source.send([remove(one) for one in made])) == ["confirmed"] * len(made)
    assert source.find_tasks(accounts) == {}


@pytest.mark.parametrize(("fault", "happened"), UNCLEAR, ids=NAMES)
def test_a_removal_in_doubt_is_settled_by_asking(crm: CrmRig, fault: dict[str, Any], happened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    source = crm.ready()
    account = crm.ids("account")[0]
    one = str(source.send([task(account, "a")])[0].remote_id)
    method, path = crm.removes
    crm.box.journal.clear()
    crm.fault(path=path, method=method, **fault)
    assert results(source.send([remove(one)])) == ["in_doubt"]
    assert crm.sent(path) == 1
    assert set(source.read_tasks([one])) == (set() if happened else {one})

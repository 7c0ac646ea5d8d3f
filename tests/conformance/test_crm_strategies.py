"""Tasks are not made twice, in each of the ways in which a CRM may keep them from it."""

from typing import get_args

import pytest

from connectors.base import Crm, TaskStrategy
from tests.conformance.rigs.crm import STRATEGY_CASES, CrmRig
from tests.conformance.test_crm_tasks import task
from tests.conformance.test_crm_trouble import UNCLEAR
from tests.conformance.test_crm_writing import results

each_strategy = pytest.mark.parametrize("strategy", get_args(TaskStrategy))


def opened(crm: CrmRig, strategy: TaskStrategy) -> tuple[CrmRig, Crm]:
    rig = crm.keeping(strategy)
    return rig, rig.ready()


@each_strategy
def test_how_tasks_are_kept_apart_is_seen_and_said(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    assert source.task_strategy == "marker", "nothing is promised before it was looked"
    assert rig.calls() == 0
    source.send([task(rig.ids("account")[0], "k" * 64)])
    assert source.task_strategy == strategy
    (said,) = [finding for finding in rig.connect(own_fields=rig.specs()).check() if finding.code == "task_strategy"]
    assert f"(strategy {strategy})" in said.message
    assert (said.severity, bool(said.advice)) == (("info", True) if strategy == "marker" else ("ok", False))


@each_strategy
def test_the_same_task_sent_twice(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    account = rig.ids("account")[0]
    outcomes = [source.send([task(account, "k" * 64)])[0] for _ in range(2)]
    assert results(outcomes) == ["confirmed"] * 2
    made = sorted({str(outcome.remote_id) for outcome in outcomes})
    assert sorted(rig.tasks_of(account)) == made
    assert len(made) == (2 if strategy == "marker" else 1)
    assert source.find_tasks([account]) == {"k" * 64: made[0]}, "the older one"
    before = rig.calls()
    assert source.duplicate_tasks([account]) == ({"k" * 64: tuple(made)} if strategy == "marker" else {})
    assert rig.calls() == before, "what was just read is not read again"
    assert source.duplicate_tasks([account]) == ({"k" * 64: tuple(made)} if strategy == "marker" else {})
    assert rig.calls() > before, "nor remembered for longer"


@each_strategy
def test_two_agents_that_send_the_same_task(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, one = opened(crm, strategy)
    two: Crm = rig.connect(own_fields=rig.specs())
    accounts = rig.ids("account")[:3]
    first = one.send([task(account, f"{account}-key") for account in accounts[:2]])
    second = two.send([task(account, f"{account}-key") for account in accounts])
    assert results([*first, *second]) == ["confirmed"] * 5
    twice = 2 if strategy == "marker" else 1
    assert [len(rig.tasks_of(account)) for account in accounts] == [twice, twice, 1]
    assert (second[0].remote_id == first[0].remote_id) is (strategy != "marker")


@each_strategy
def test_a_task_in_doubt_that_is_sent_again(crm: CrmRig, strategy: TaskStrategy) -> None:
    for fault, happened in UNCLEAR:
        rig, source = opened(crm, strategy)
        accounts = rig.ids("account")[:3]
        changes = [task(account, f"{account}-key") for account in accounts]
        source.find_tasks(accounts)
        rig.fault(path=rig.creates, method="POST", **fault)
        assert results(source.send(changes)) == ["in_doubt"] * 3, fault
        assert rig.sent(rig.creates) == 1, fault
        there = source.find_tasks(accounts)
        assert set(there) == ({change.key for change in changes} if happened else set()), fault
        again = source.send([change for change in changes if strategy != "marker" or change.key not in there])
        assert set(results(again)) <= {"confirmed"}, fault
        assert [len(rig.tasks_of(account)) for account in accounts] == [1, 1, 1], fault


@each_strategy
def test_tasks_that_are_there_do_not_keep_others_from_being_made(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    accounts = rig.ids("account")[:6]
    changes = [task(account, f"{account}-key") for account in accounts]
    before = {outcome.key: outcome.remote_id for outcome in source.send([changes[1], changes[4]])}
    known = set(source.find_tasks(accounts)) if strategy == "marker" else set()
    outcomes = source.send([change for change in changes if change.key not in known])
    assert set(results(outcomes)) == {"confirmed"}
    assert {o.key: o.remote_id for o in outcomes if o.key in before} == ({} if strategy == "marker" else before)
    assert [len(rig.tasks_of(account)) for account in accounts] == [1] * 6


@each_strategy
def test_a_bad_task_costs_only_itself(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    gone, *there = rig.ids("account")[:4]
    rig.delete(rig.objects["account"], rig.row("account", gone))
    outcomes = source.send([task(account, f"{account}-key") for account in (there[0], gone, *there[1:])])
    assert outcomes[1].result in {"gone", "rejected"}
    assert results([outcomes[0], *outcomes[2:]]) == ["confirmed"] * 3
    assert set(source.find_tasks(there)) == {f"{account}-key" for account in there}


@each_strategy
def test_every_bad_task_of_a_batch_is_found(crm: CrmRig, strategy: TaskStrategy) -> None:
    """Whichever of six are bad, and wherever they stand: 64 batches."""
    rig, source = opened(crm, strategy)
    gone, *there = rig.ids("account")[:7]
    rig.delete(rig.objects["account"], rig.row("account", gone))
    for number in range(64):
        bad = [number >> place & 1 for place in range(6)]
        changes = [task(gone if b else there[p], f"{number}-{p}") for p, b in enumerate(bad)]
        outcomes = source.send(changes)
        assert [outcome.result == "confirmed" for outcome in outcomes] == [not b for b in bad]
        assert {o.result for o, b in zip(outcomes, bad, strict=True) if b} <= {"gone", "rejected"}
    assert len(source.find_tasks(there)) == 32 * 6
    assert source.duplicate_tasks(there) == {}


@each_strategy
def test_a_refused_owner_gives_way(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    accounts, bad = rig.ids("account")[:3], rig.refused_owner()
    given = ({"owner_id": bad, "fallback_owner_id": rig.owner()}, {"owner_id": rig.owner()}, {"owner_id": bad})
    changes = [task(account, f"{account}-key", **values) for account, values in zip(accounts, given, strict=True)]
    outcomes = source.send(changes)
    assert results(outcomes) == ["confirmed"] * 3
    owners = [rig.task(str(outcome.remote_id)).owner for outcome in outcomes]
    assert owners[:2] == [rig.owner()] * 2
    assert owners[2] != bad
    assert [len(rig.tasks_of(account)) for account in accounts] == [1, 1, 1]


@each_strategy
def test_what_people_did_to_a_task_is_not_undone(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    account = rig.ids("account")[0]
    (made,) = source.send([task(account, "k" * 64)])
    rig.touch_task(str(made.remote_id), "edit")
    rig.touch_task(str(made.remote_id), "close")
    if strategy != "marker":
        assert source.send([task(account, "k" * 64)])[0].remote_id == made.remote_id
    state = source.read_tasks([str(made.remote_id)])[str(made.remote_id)]
    assert (state.subject, state.closed, state.touched) == ("Changed by hand", True, True)


@each_strategy
def test_a_full_batch_of_tasks_is_made(crm: CrmRig, strategy: TaskStrategy) -> None:
    rig, source = opened(crm, strategy)
    accounts = rig.ids("account")
    changes = [task(accounts[n % len(accounts)], f"key-{n}") for n in range(source.write.create_batch)]
    assert results(source.send(changes)) == ["confirmed"] * len(changes)
    assert rig.sent(rig.creates) == (2 if strategy == "receipt" else 1)
    assert set(source.find_tasks(accounts)) == {change.key for change in changes}
    assert source.duplicate_tasks(accounts) == {}


def test_the_cases_by_strategy_are_all_here(crm: CrmRig) -> None:
    named = {name[5:] for name, held in globals().items() if name.startswith("test_") and hasattr(held, "pytestmark")}
    assert {
        name for name in named if any(m.args[0] == "strategy" for m in globals()[f"test_{name}"].pytestmark)
    } == set(STRATEGY_CASES)

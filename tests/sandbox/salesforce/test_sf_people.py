"""What people do by hand, and what follows from it."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_ids import record_id
from sandbox.salesforce_render import user_id

RELATED = ("AccountContactRelation", "ContactId")


def refs(sf: Any, kind: str, field: str, target: str, *, deleted: bool = False) -> list[str]:
    """Ids of the records of a kind that refer to a record."""
    table = sf.org.tables[kind]
    return [table.id_at(p) for p in table.referring(field, [target], sf.org.now, deleted=deleted)]


def test_an_edit_moves_the_stamps_and_names_who_did_it(sf: Any) -> None:
    account, _ = sf.account()
    sf.later(90)
    colleague = user_id(1)
    sf.mutate("edit", id=account[:15], values={"name": "New name", "MRR__c": 5}, user=colleague)
    assert (sf.value(account, "Name"), sf.value(account, "MRR__c")) == ("New name", 5.0)
    assert sf.value(account, "SystemModstamp") == sf.value(account, "LastModifiedDate") == sf.org.now
    assert sf.value(account, "LastModifiedById") == colleague


def test_instants_and_whole_numbers_are_stored_as_such(sf: Any) -> None:
    case = sf.mutate("create", object="Case", values={"Subject": "Help", "AccountId": sf.account()[0]})
    assert (sf.value(case, "Status"), sf.value(case, "Priority"), sf.value(case, "OwnerId")) == (
        "New",
        "Medium",
        ADMINISTRATOR,
    )
    answer = sf.mutate(
        "create", object="NPS_Response__c", values={"Score__c": 7, "Responded_At__c": "2026-11-20T10:00:00.500Z"}
    )
    assert sf.value(answer, "Responded_At__c") == 1_795_168_800_000
    assert sf.value(answer, "Score__c") == 7.0
    assert sf.value(answer, "Name").startswith("NPS-")
    account, _ = sf.account()
    sf.mutate("edit", id=account, values={"NumberOfEmployees": 12})
    assert sf.value(account, "NumberOfEmployees") == 12


@pytest.mark.parametrize(
    ("action", "args", "words"),
    [
        ("fly", {}, "no action 'fly'"),
        ("edit", {"id": "001Hf00000zzzzzAAA", "values": {}}, "no record"),
        ("create", {"object": "Nothing", "values": {}}, "no kind of record"),
        ("edit", {"id": "{account}", "values": {"Nope__c": 1}}, "has no field"),
        ("edit", {"id": "{account}", "values": {"SystemModstamp": None}}, "follows from other fields"),
        ("undelete", {"id": "{account}"}, "is not deleted"),
        ("merge", {"winner": "{account}", "loser": "{contact}"}, "only accounts, or only contacts"),
        ("merge", {"winner": "{account}", "loser": "{account}"}, "different records"),
        ("lock", {"id": "{contact}"}, "only accounts can be locked"),
        ("rule", {"object": "Account", "message": "no", "field": "Nope"}, "has no field"),
        ("options", {"api_speed": 1}, "unknown option 'api_speed'"),
        ("options", {"contracts": False}, "built from"),
    ],
)
def test_nonsense_is_refused(sf: Any, action: str, args: dict[str, Any], words: str) -> None:
    ids = {"{account}": sf.account()[0], "{contact}": sf.contact()[0]}
    given = {key: ids.get(value, value) if isinstance(value, str) else value for key, value in args.items()}
    with pytest.raises(ValueError, match=words):
        sf.mutate(action, **given)


def test_a_deleted_account_takes_along_what_hangs_on_it_and_brings_it_back(sf: Any) -> None:
    account, _ = sf.account(1)
    contacts, deals = refs(sf, "Contact", "AccountId", account), refs(sf, "Opportunity", "AccountId", account)
    relations = refs(sf, "AccountContactRelation", "ContactId", contacts[0])
    assert contacts
    assert deals
    assert relations
    sf.mutate("delete", id=contacts[-1])
    sf.later(10)
    sf.mutate("delete", id=account)
    assert not any(map(sf.there, [account, *contacts, *deals, *relations]))
    assert sf.value(account, "IsDeleted")
    assert sf.value(account, "SystemModstamp") == sf.org.now
    assert sf.value(account, "MasterRecordId") is None
    sf.later(10)
    sf.mutate("undelete", id=account)
    assert all(map(sf.there, [account, *contacts[:-1], *deals, *relations]))
    assert not sf.there(contacts[-1]), "what had been deleted before stays deleted"
    assert sf.value(contacts[0], "SystemModstamp") == sf.org.now


def test_a_purged_record_leaves_no_trace(sf: Any) -> None:
    contact, _ = sf.contact()
    relations = refs(sf, "AccountContactRelation", "ContactId", contact)
    sf.mutate("purge", id=contact)
    assert sf.org.find(contact) is None
    assert all(sf.org.find(one) is None for one in relations)
    assert contact not in sf.vendor.truth()["contact"]


def test_merged_accounts_hand_everything_to_the_winner(sf: Any) -> None:
    winner, loser, other = (sf.account(n)[0] for n in (2, 3, 4))
    moved = {kind: refs(sf, kind, "AccountId", loser) for kind in ("Contact", "Opportunity")}
    answers = refs(sf, "NPS_Response__c", "Account__c", loser)
    task = sf.mutate("create", object="Task", values={"Subject": "Call", "WhatId": loser})
    late = sf.mutate("create", object="Task", values={"Subject": "Call", "WhatId": other})
    changed = sf.value(moved["Contact"][0], "LastModifiedDate")
    sf.later(5)
    assert sf.mutate("merge", winner=winner, losers=[loser, other]) == winner
    assert (sf.value(loser, "IsDeleted"), sf.value(loser, "MasterRecordId")) == (True, winner)
    assert sf.value(other, "MasterRecordId") == winner
    for kind, ids in moved.items():
        assert set(ids) <= set(refs(sf, kind, "AccountId", winner))
    assert set(answers) <= set(refs(sf, "NPS_Response__c", "Account__c", winner))
    assert (sf.value(task, "WhatId"), sf.value(task, "AccountId")) == (winner, winner)
    assert sf.value(late, "AccountId") == winner
    assert sf.value(moved["Contact"][0], "SystemModstamp") == sf.org.now
    assert sf.value(moved["Contact"][0], "LastModifiedDate") == changed
    assert sf.value(winner, "SystemModstamp") == sf.org.now
    assert loser not in sf.vendor.truth()["account"]
    with pytest.raises(ValueError, match="not deleted"):
        sf.mutate("merge", winner=winner, loser=loser)


def test_merging_never_relates_a_contact_to_an_account_twice(sf: Any) -> None:
    one, two = sf.account(5)[0], sf.account(6)[0]
    contact = refs(sf, "Contact", "AccountId", one)[0]
    direct = refs(sf, "AccountContactRelation", "ContactId", contact)
    extra = sf.mutate("create", object="AccountContactRelation", values={"AccountId": two, "ContactId": contact})
    sf.mutate("merge", winner=two, loser=one)
    assert sf.value(direct[0], "AccountId") == two
    assert sf.there(direct[0])
    assert not sf.there(extra)


def test_merged_contacts(sf: Any) -> None:
    winner, loser = sf.contact(0)[0], sf.contact(1)[0]
    task = sf.mutate("create", object="Task", values={"Subject": "Call", "WhoId": loser})
    assert sf.value(task, "AccountId") == sf.value(loser, "AccountId")
    sf.mutate("merge", winner=winner, loser=loser)
    assert sf.value(task, "WhoId") == winner
    assert sf.value(task, "AccountId") == sf.value(winner, "AccountId")
    assert len([r for r in refs(sf, "AccountContactRelation", "ContactId", winner) if sf.value(r, "IsDirect")]) == 1


def test_a_merged_contacts_home_becomes_one_more_relation_of_the_winner(sf: Any) -> None:
    here, there = sf.account(5)[0], sf.account(6)[0]
    winner, loser = refs(sf, "Contact", "AccountId", here)[0], refs(sf, "Contact", "AccountId", there)[0]
    sf.mutate("merge", winner=winner, loser=loser)
    found = {sf.value(r, "AccountId"): sf.value(r, "IsDirect") for r in refs(sf, *RELATED, winner)}
    assert (found[here], found[there]) == (True, False)
    assert sf.value(winner, "AccountId") == here


def test_a_merge_makes_nobody_their_own_parent(sf: Any) -> None:
    child, parent = sf.account(8)[0], sf.account(9)[0]
    sf.mutate("edit", id=child, values={"ParentId": parent})
    sf.mutate("merge", winner=child, loser=parent)
    assert sf.value(child, "ParentId") is None


def test_a_contact_has_one_direct_relation_wherever_it_moves(sf: Any) -> None:
    contact, _ = sf.contact()
    first, second = sf.value(contact, "AccountId"), sf.account(7)[0]
    relation = refs(sf, "AccountContactRelation", "ContactId", contact)[0]
    made = sf.mutate("create", object="AccountContactRelation", values={"AccountId": second, "ContactId": contact})
    sf.mutate("edit", id=contact, values={"AccountId": second})
    assert (sf.value(relation, "AccountId"), sf.there(made)) == (second, False)
    sf.mutate("edit", id=contact, values={"AccountId": None})
    assert not sf.there(relation)
    sf.mutate("edit", id=contact, values={"AccountId": first})
    again = refs(sf, "AccountContactRelation", "ContactId", contact)
    assert [sf.value(r, "AccountId") for r in again] == [first]
    sf.mutate("edit", id=contact, values={"Title": "Boss"})
    fresh = sf.mutate("create", object="Contact", values={"LastName": "New", "AccountId": first})
    assert len(refs(sf, "AccountContactRelation", "ContactId", fresh)) == 1
    loose = sf.mutate("create", object="Contact", values={"LastName": "Loose"})
    assert refs(sf, "AccountContactRelation", "ContactId", loose) == []


def test_many_records_changed_at_once_share_a_stamp(sf: Any) -> None:
    sf.later(100)
    assert sf.mutate("mass_edit", object="Contact", count=30, values={"Title": "Same"}) == 30
    contacts, now = sf.org.tables["Contact"], sf.org.now
    changed = contacts.changed(now, now + 1, now)
    assert len(changed) == 30
    assert {contacts.value(p, "Title", now) for p in changed} == {"Same"}
    ids = [sf.account(n)[0] for n in (3, 1)]
    sf.later(100)
    assert sf.mutate("mass_edit", object="Account", ids=ids) == 2
    accounts = sf.org.tables["Account"]
    found = accounts.changed(sf.org.now, sf.org.now + 1, sf.org.now)
    assert {accounts.id_at(p) for p in found} == set(ids)


def test_changes_may_become_visible_late(make_client: Callable[..., Any]) -> None:
    sf = make_client(late_seconds=300)
    account, company = sf.account()
    stamp = sf.org.now
    sf.mutate("edit", id=account, values={"Name": "Late"})
    made = sf.mutate("create", object="Contact", values={"LastName": "Slow", "AccountId": account})
    sf.mutate("mass_edit", object="Account", ids=[sf.account(1)[0]], values={"Phone": "1"})
    sf.mutate("delete", id=sf.account(2)[0])
    sf.later(299)
    assert sf.value(account, "Name") == company.name
    assert sf.org.find(made) is None
    assert sf.there(sf.account(2)[0])
    sf.later(1)
    assert (sf.value(account, "Name"), sf.value(account, "SystemModstamp")) == ("Late", stamp)
    assert sf.value(made, "SystemModstamp") == stamp
    assert sf.value(sf.account(1)[0], "Phone") == "1"
    assert sf.value(sf.account(2)[0], "IsDeleted")
    accounts = sf.org.tables["Account"]
    assert accounts.changed(stamp + 1000, sf.org.now + 1, sf.org.now, deleted=True) == []


def test_a_task_has_derived_fields(sf: Any) -> None:
    account, _ = sf.account()
    deal = refs(sf, "Opportunity", "AccountId", account)[0]
    task = sf.mutate(
        "create",
        object="Task",
        values={"Subject": "Call", "WhatId": deal, "ActivityDate": "2026-12-01", "Priority": "High"},
    )
    assert sf.value(task, "AccountId") == account
    assert (sf.value(task, "IsClosed"), sf.value(task, "IsHighPriority")) == (False, True)
    assert sf.value(account, "LastActivityDate") is None
    sf.later(60)
    sf.mutate("complete_task", id=task)
    done = sf.org.now
    assert (sf.value(task, "IsClosed"), sf.value(task, "CompletedDateTime")) == (True, done)
    assert sf.value(account, "LastActivityDate") == "2026-12-01"
    tasks = sf.org.tables["Task"]
    assert list(tasks.places(sf.org.now)) == [0]
    sf.later(366 * 86_400)
    assert sf.value(task, "IsArchived")
    assert list(tasks.places(sf.org.now)) == []
    assert list(tasks.places(sf.org.now, deleted=True)) == [0]
    sf.mutate("edit", id=task, values={"Status": "In Progress"})
    assert sf.value(task, "CompletedDateTime") is None
    assert sf.value(sf.mutate("create", object="Task", values={"Subject": "?"}), "AccountId") is None
    answer = refs(sf, "NPS_Response__c", "Account__c", account)
    assert sf.org.home_account("NPS_Response__c", answer[0], {}) == account


def test_a_case_closes_and_opens_again(sf: Any) -> None:
    case = sf.mutate("create", object="Case", values={"Subject": "Help"})
    assert (sf.value(case, "IsClosed"), sf.value(case, "ClosedDate")) == (False, None)
    sf.later(5)
    sf.mutate("edit", id=case, values={"Status": "Closed"})
    closed = sf.org.now
    sf.later(5)
    sf.mutate("edit", id=case, values={"Subject": "Really"})
    assert (sf.value(case, "IsClosed"), sf.value(case, "ClosedDate")) == (True, closed)
    assert len(sf.value(case, "CaseNumber")) == 8


def met(sf: Any, kind: str, record: str | None, values: dict[str, Any]) -> SfError | None:
    found: SfError | None = sf.org.obstacle(kind, record, values)
    return found


def test_a_lock_holds_for_so_many_tries(sf: Any) -> None:
    account, _ = sf.account()
    contact = refs(sf, "Contact", "AccountId", account)[0]
    sf.mutate("lock", id=account, tries=4)
    role = refs(sf, "OpportunityContactRole", "OpportunityId", refs(sf, "Opportunity", "AccountId", account)[0])
    for kind, record, values in (
        ("Account", account, {"Name": "x"}),
        ("Contact", contact, {"Title": "x"}),
        ("Task", None, {"WhatId": account}),
        ("Task", None, {"WhoId": contact}),
    ):
        found = met(sf, kind, record, values)
        assert found is not None
        assert (found.code, account in found.message) == ("UNABLE_TO_LOCK_ROW", True)
    assert met(sf, "Account", account, {}) is None
    sf.mutate("lock", id=account)
    assert met(sf, "Account", sf.account(1)[0], {}) is None, "others are free"
    assert met(sf, "Task", None, {"Subject": "x"}) is None
    assert role == [] or met(sf, "OpportunityContactRole", role[0], {}) is not None
    sf.mutate("clear_obstacles")
    assert met(sf, "Account", account, {}) is None


def test_rules_and_triggers_refuse_what_they_watch(sf: Any) -> None:
    account, other = sf.account()[0], sf.account(1)[0]
    sf.mutate("rule", object="Account", id=account, message="Locked for audit")
    sf.mutate("rule", object="Account", field="website", message="No websites")
    sf.mutate("trigger", object="Task", id=other, message="TaskTrigger: failed")
    first, second = met(sf, "Account", account, {"Name": "x"}), met(sf, "Account", other, {"Website": "x"})
    assert first is not None
    assert second is not None
    assert (first.code, first.fields, first.message) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", (), "Locked for audit")
    assert second.fields == ("Website",)
    assert met(sf, "Account", other, {"Name": "x"}) is None
    assert met(sf, "Task", None, {"WhatId": account}) is None
    third = met(sf, "Task", None, {"WhatId": other})
    assert third is not None
    assert third.item == {
        "statusCode": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "message": "TaskTrigger: failed",
        "fields": [],
    }
    assert third.line == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:TaskTrigger: failed:--"


def test_users_leave_and_come_back(sf: Any) -> None:
    colleague = user_id(1)
    sf.mutate("deactivate_user", id=colleague)
    assert not sf.org.active(colleague)
    sf.mutate("activate_user", id=colleague)
    assert sf.org.active(colleague)
    assert not sf.org.active(record_id("User", 9999))


def test_ids_say_what_they_belong_to(sf: Any) -> None:
    org = sf.org
    assert org.kind_of(sf.account()[0]) == "Account"
    assert org.kind_of("001") is None
    assert org.find("zzz000000000000AAA") is None
    assert org.object("ACCOUNT") is org.objects["Account"]
    assert org.object("Nothing") is None
    assert org.table("User").place(INTEGRATION_USER) == 0
    assert org.home_account("Account", None, {}) is None
    assert org.home_account("User", INTEGRATION_USER, {}) is None


@pytest.mark.parametrize(
    ("method", "path", "writes"),
    [
        ("GET", "/services/data/v64.0/sobjects/Account/describe", False),
        ("POST", "/services/oauth2/token", False),
        ("POST", "/services/Soap/u/64.0", False),
        ("POST", "/services/async/64.0/job", True),
        ("PATCH", "/services/data/v64.0/composite/sobjects", True),
        ("POST", "/services/data/v64.0/composite/sobjects", True),
        ("POST", "/services/data/v64.0/composite/sobjects/Account", False),
        ("POST", "/services/data/v64.0/jobs/query", False),
        ("POST", "/services/data/v64.0/jobs/ingest", True),
        ("DELETE", "/services/data/v64.0/jobs/query/750Hf0000000001AAA", False),
        ("POST", "/services/data/v64.0/sobjects/Task", True),
        ("POST", "/services/data/v64.0/tooling/sobjects/CustomField", True),
        ("POST", "/services/data/v64.0/nothing", True),
    ],
)
def test_what_counts_as_a_write(sf: Any, method: str, path: str, *, writes: bool) -> None:
    assert sf.vendor.is_write(method, path) is writes

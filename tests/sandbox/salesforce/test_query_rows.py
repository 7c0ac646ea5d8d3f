"""Queries over HTTP: which rows come, in which shape and order, and what is refused."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.model import World
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER
from sandbox.salesforce_ids import account_id

Row = dict[str, Any]
STAMP_FORM = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000"


def refusal(sf: Any, soql: str, path: str = "query") -> tuple[str, str]:
    (error,) = sf.get(path, 400, q=soql)
    return error["errorCode"], error["message"]


# ---- shape -----------------------------------------------------------------------------------------------------------


def test_a_record_has_attributes_and_every_field_asked_for(sf: Any) -> None:
    record_id, company = sf.account()
    page = sf.get("query/", q=f"select id, NAME, mrr__c, ParentId, createddate from account where id = '{record_id}'")
    assert {k: v for k, v in page.items() if k != "records"} == {"totalSize": 1, "done": True}
    (row,) = page["records"]
    assert list(row) == ["attributes", "Id", "Name", "MRR__c", "ParentId", "CreatedDate"]
    assert row["attributes"] == {"type": "Account", "url": f"/services/data/v64.0/sobjects/Account/{record_id}"}
    assert row["Name"] == company.name
    assert row["ParentId"] is None
    assert isinstance(row["MRR__c"], float)
    assert re.fullmatch(STAMP_FORM, row["CreatedDate"])


def test_parents_are_nested_with_attributes_of_their_own(sf: Any) -> None:
    record_id, _ = sf.contact()
    wanted = "Contact.Id, Account.Name, Account.Owner.IsActive, Account.Owner.Name"
    (row,) = sf.query(f"SELECT {wanted} FROM Contact WHERE Id = '{record_id}'")
    account = row["Account"]
    assert list(account) == ["attributes", "Name", "Owner"]
    assert account["attributes"]["type"] == "Account"
    assert account["Owner"]["attributes"]["url"].startswith("/services/data/v64.0/sobjects/User/005")
    assert account["Owner"]["IsActive"] is True
    sf.mutate("edit", id=record_id, values={"AccountId": None})
    assert sf.query(f"SELECT Account.Name FROM Contact WHERE Id = '{record_id}'") == [{"Account": None}]
    (role,) = sf.query("SELECT Opportunity.AccountId, Opportunity.Account.Name FROM OpportunityContactRole LIMIT 1")
    assert role["Opportunity"]["Account"]["Name"]


def test_conditions_on_parents_of_parents(sf: Any) -> None:
    rows = sf.query("SELECT Id, Account.Owner.Name FROM Contact")
    names = {row["Id"]: row["Account"] and row["Account"]["Owner"]["Name"] for row in rows}
    name = next(value for value in names.values() if value)
    found = sf.query(f"SELECT Id FROM Contact WHERE Account.Owner.Name = '{name}'")
    assert [row["Id"] for row in found] == [one for one, value in names.items() if value == name]
    ordered = sf.query("SELECT Id FROM Contact ORDER BY Account.Owner.Name NULLS LAST, Id")
    assert [row["Id"] for row in ordered] == sorted(names, key=lambda one: (names[one] is None, names[one] or "", one))


def test_nothing_is_later_than_null(sf: Any) -> None:
    assert sf.query("SELECT Id FROM Contact WHERE SystemModstamp > null") == []
    assert sf.query("SELECT Id FROM Contact WHERE SystemModstamp = LAST_N_DAYS:9999 LIMIT 1")


def test_references_to_several_kinds_lead_to_names(sf: Any) -> None:
    account, company = sf.account()
    person, _ = sf.contact()
    case = sf.query("SELECT Id, CaseNumber FROM Case LIMIT 1")[0]
    sf.mutate("create", object="Task", values={"Subject": "one", "WhatId": account, "WhoId": person})
    sf.mutate("create", object="Task", values={"Subject": "two", "WhatId": case["Id"]})
    one, two = sf.query(
        "SELECT What.Name, What.Type, What.Email, Who.Type, Who.Email, Owner.IsActive FROM Task ORDER BY Subject"
    )
    assert one["What"] == {
        "attributes": {"type": "Name", "url": f"/services/data/v64.0/sobjects/Account/{account}"},
        "Name": company.name,
        "Type": "Account",
        "Email": None,
    }
    assert one["Who"]["Type"] == "Contact"
    assert one["Who"]["Email"]
    assert one["Owner"]["IsActive"] is True
    assert two["What"]["Name"] == case["CaseNumber"]
    assert two["Who"] is None
    assert sf.query("SELECT Subject FROM Task WHERE What.Type = 'Case'") == [{"Subject": "two"}]
    assert sf.query(f"SELECT Subject FROM Task WHERE What.Name = '{company.name}'") == [{"Subject": "one"}]


def test_all_fields_at_once(sf: Any) -> None:
    described = sf.describe("Account")
    (row,) = sf.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")
    assert list(row) == list(described)
    (custom,) = sf.query("SELECT Id, FIELDS(CUSTOM) FROM Account LIMIT 1")
    assert set(custom) == {"Id"} | {name for name in described if name.endswith("__c")}
    assert "Plan__c" not in sf.query("SELECT FIELDS(STANDARD) FROM Account")[0]
    for text in ("SELECT FIELDS(ALL) FROM Account", "SELECT FIELDS(CUSTOM) FROM Account LIMIT 201"):
        code, message = refusal(sf, text)
        assert code == "MALFORMED_QUERY"
        assert message.endswith("The SOQL FIELDS function must have a LIMIT of at most 200")
    sf.mutate("hide_field", object="Account", field="Plan__c")
    assert "Plan__c" not in sf.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")[0]


def test_counts_and_groups(sf: Any) -> None:
    rows = sf.query("SELECT Id, Plan__c, CreatedDate FROM Account")
    assert sf.get("query", q="SELECT COUNT() FROM Account") == {"totalSize": len(rows), "done": True, "records": []}
    assert sf.get("query", q="SELECT COUNT() FROM Account LIMIT 3")["totalSize"] == 3
    page = sf.get("query", q="SELECT COUNT(Id), MIN(CreatedDate) first, MAX(CreatedDate) FROM Account")
    dates = [row["CreatedDate"] for row in rows]
    assert page["records"] == [
        {"attributes": {"type": "AggregateResult"}, "expr0": len(rows), "first": min(dates), "expr1": max(dates)}
    ]
    groups = sf.query("SELECT Plan__c, COUNT(Id) n FROM Account GROUP BY Plan__c ORDER BY Plan__c DESC")
    plans = [row["Plan__c"] for row in rows]
    assert groups == [{"Plan__c": plan, "n": plans.count(plan)} for plan in sorted(set(plans), reverse=True)]
    assert len(sf.query("SELECT COUNT(Id) FROM Account GROUP BY Plan__c LIMIT 1")) == 1
    by_parent = "SELECT ParentId, COUNT(Id) FROM Account GROUP BY ParentId"
    assert sf.query(f"{by_parent} ORDER BY ParentId NULLS LAST")[-1]["ParentId"] is None
    assert sf.query(by_parent)[0]["ParentId"] is None
    assert sf.query("SELECT MAX(CreatedDate) FROM Account WHERE Name = 'no such'") == [{"expr0": None}]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Name, COUNT(Id) FROM Account GROUP BY Plan__c",
        "SELECT Name, COUNT(Id) FROM Account",
        "SELECT FIELDS(ALL) FROM Account GROUP BY Plan__c LIMIT 10",
        "SELECT Plan__c, COUNT(Id) FROM Account GROUP BY Plan__c ORDER BY Name",
        "SELECT COUNT() FROM Account GROUP BY Plan__c",
    ],
)
def test_groups_want_grouped_fields(sf: Any, text: str) -> None:
    assert refusal(sf, text)[0] == "MALFORMED_QUERY"


@pytest.mark.parametrize("name", ["Roles", "SystemModstamp"])
def test_some_types_are_not_grouped(sf: Any, name: str) -> None:
    found = refusal(sf, f"SELECT COUNT(Id) FROM AccountContactRelation GROUP BY {name}")
    assert found == ("INVALID_FIELD", found[1])
    assert f"field '{name}' can not be grouped" in found[1]
    assert sf.describe("AccountContactRelation")[name]["groupable"] is False


def test_groups_have_no_second_page(make_client: Callable[..., Any], wide_world: World) -> None:
    sf = make_client(wide_world)
    code, message = refusal(sf, "SELECT Id, COUNT(Id) FROM Contact GROUP BY Id")
    assert code == "EXCEEDED_ID_LIMIT"
    assert "queryMore" in message


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("SELECT Id FROM Accountt", "INVALID_TYPE", "sObject type 'Accountt' is not supported."),
        ("SELECT Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'."),
        ("SELECT Id FROM Account WHERE Nope = 1", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id FROM Account ORDER BY Nope", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Owner.Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'User'."),
        ("SELECT What.Subject FROM Task", "INVALID_FIELD", "No such column 'Subject' on entity 'Name'."),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Foo' in field path."),
        ("SELECT What.Owner.Name FROM Task", "INVALID_FIELD", "Didn't understand relationship 'Owner'"),
        ("SELECT Id, id FROM Account", "MALFORMED_QUERY", "duplicate field selected: Id"),
        (f"SELECT {'Parent.' * 6}Name FROM Account", "MALFORMED_QUERY", "at most 5 levels"),
        ("SELECT Id FROM Account ORDER BY Domains__c", "INVALID_FIELD", "can not be sorted in a query call"),
        ("SELECT Id FROM AccountContactRelation ORDER BY Roles", "INVALID_FIELD", "can not be sorted"),
        ("SELECT Id FROM Account WHERE Domains__c = 'x'", "INVALID_FIELD", "can not be filtered in a query call"),
        ("SELECT Id FROM Account WHERE (Name = 'x' AND (Nope = 1)) OR Id = null", "INVALID_FIELD", "'Nope'"),
    ],
)
def test_names_that_are_not_there(sf: Any, text: str, code: str, words: str) -> None:
    found, message = refusal(sf, text)
    assert found == code
    assert words in message


def test_hidden_is_absent(sf: Any) -> None:
    text = "SELECT Plan__c FROM Account LIMIT 1"
    assert sf.query(text)
    sf.mutate("hide_field", object="Account", field="Plan__c")
    hidden = refusal(sf, text)
    assert hidden == (hidden[0], refusal(sf, "SELECT Plam__c FROM Account LIMIT 1")[1].replace("Plam__c", "Plan__c"))
    assert refusal(sf, "SELECT Id FROM Account WHERE Plan__c = 'x'")[0] == "INVALID_FIELD"
    assert refusal(sf, "SELECT Account.Plan__c FROM Contact")[0] == "INVALID_FIELD"
    sf.mutate("show_field", object="Account", field="Plan__c")
    sf.mutate("revoke", object="Account", rights=["Read"])
    assert refusal(sf, text)[0] == "INVALID_TYPE"
    assert "relationship 'Account'" in refusal(sf, "SELECT Account.Name FROM Contact")[1]


def test_a_query_must_be_there(sf: Any) -> None:
    assert sf.get("query", 400)[0]["errorCode"] == "MALFORMED_QUERY"


def test_a_plus_sign_must_be_encoded(sf: Any) -> None:
    text = "SELECT Id FROM Account WHERE SystemModstamp < 2026-11-22T00:00:00+00:00"
    assert sf.query(text)
    answer = sf.send("GET", "query?q=" + text.replace(" ", "%20").replace(">", "%3E"))
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "MALFORMED_QUERY"


# ---- which rows ------------------------------------------------------------------------------------------------------


def test_deleted_and_archived_rows_come_only_when_all_are_asked_for(sf: Any) -> None:
    record_id, _ = sf.contact()
    winner, loser = account_id(sf.account(0)[1].id), account_id(sf.account(1)[1].id)
    sf.mutate("delete", id=record_id)
    sf.mutate("merge", winner=winner, loser=loser)
    text = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{record_id}'"
    assert sf.query(text) == []
    assert sf.query(text, everything=True) == [{"Id": record_id, "IsDeleted": True}]
    merged = f"SELECT Id, MasterRecordId FROM Account WHERE MasterRecordId = '{winner}'"
    assert sf.query(merged) == []
    assert sf.query(merged, everything=True) == [{"Id": loser, "MasterRecordId": winner}]
    old = sf.mutate("create", object="Task", values={"Subject": "old", "Status": "Completed"})
    sf.later(86_400 * 500)
    sf.mutate("purge", id=record_id)
    sf.user(INTEGRATION_USER)
    assert sf.query(f"SELECT Id FROM Task WHERE Id = '{old}'") == []
    assert sf.query("SELECT IsArchived FROM Task", everything=True) == [{"IsArchived": True}]
    assert sf.query(text, everything=True) == []


def test_sharing_hides_rows_without_a_word(sf: Any) -> None:
    every = {row["Id"] for row in sf.query("SELECT Id FROM Account")}
    sf.mutate("view_all", on=False)
    rows = sf.query("SELECT Id, Parent.Id FROM Account")
    shown = {row["Id"] for row in rows}
    assert shown
    assert shown < every
    assert all(row["Parent"] is None or row["Parent"]["Id"] in shown for row in rows)
    assert sf.get("query", q="SELECT COUNT() FROM Account")["totalSize"] == len(shown)
    sf.user(ADMINISTRATOR)
    assert {row["Id"] for row in sf.query("SELECT Id FROM Account")} == every
    sf.user(INTEGRATION_USER)


def test_order_limit_and_offset(sf: Any) -> None:
    rows = sf.query("SELECT Id, Title, LastName FROM Contact")
    assert [row["Id"] for row in rows] == sorted(row["Id"] for row in rows)
    found = sf.query("SELECT Id, Title, LastName FROM Contact ORDER BY Title DESC NULLS LAST, LastName, Id DESC")
    wanted = sorted(rows, key=lambda r: r["Id"], reverse=True)
    wanted.sort(key=lambda r: r["LastName"].lower())
    titled = sorted([r for r in wanted if r["Title"]], key=lambda r: r["Title"].lower(), reverse=True)
    assert found == titled + [r for r in wanted if not r["Title"]]
    assert sf.query("SELECT Id, Title, LastName FROM Contact ORDER BY Title LIMIT 1")[0]["Title"] is None
    ids = [row["Id"] for row in rows]
    assert [r["Id"] for r in sf.query("SELECT Id FROM Contact LIMIT 5 OFFSET 3")] == ids[3:8]
    assert [r["Id"] for r in sf.query("SELECT Id FROM Contact ORDER BY Id DESC LIMIT 2")] == ids[:-3:-1]
    assert sf.query("SELECT Id FROM Contact LIMIT 0") == []
    assert refusal(sf, "SELECT Id FROM Contact OFFSET 2001")[0] == "NUMBER_OUTSIDE_VALID_RANGE"


def test_an_offset_caps_the_result(make_client: Callable[..., Any], wide_world: World) -> None:
    sf = make_client(wide_world)
    assert sf.get("query", q="SELECT COUNT() FROM Contact")["totalSize"] > 2000
    page = sf.get("query", q="SELECT Id FROM Contact OFFSET 0")
    assert (page["totalSize"], page["done"]) == (2000, True)


# ---- against a plain filter ------------------------------------------------------------------------------------------

Term = tuple[str, Callable[[Row], bool]]
"""A condition as text, and what it should mean."""
FIELDS = "Id, LastName, Email, AccountId, OwnerId, IsDeleted, CreatedDate, SystemModstamp"
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
ORDERS: dict[str, Callable[[Row], Any]] = {
    "": lambda row: row["Id"],
    " ORDER BY Id": lambda row: row["Id"],
    " ORDER BY SystemModstamp": lambda row: (row["SystemModstamp"], row["Id"]),
    " ORDER BY SystemModstamp, Id": lambda row: (row["SystemModstamp"], row["Id"]),
    " ORDER BY CreatedDate DESC, Id DESC": lambda row: (row["CreatedDate"], row["Id"]),
    " ORDER BY LastName, SystemModstamp DESC": lambda row: row["LastName"].lower(),
}


@pytest.fixture
def busy(make_client: Callable[..., Any]) -> tuple[Any, list[Row]]:
    """An org in which things happened, and all of its contacts; tests only read it."""
    sf = make_client(equal_stamps=150)
    ids = [row["Id"] for row in sf.query("SELECT Id FROM Contact")]
    sf.mutate("mass_edit", object="Contact", values={"Title": "x"}, ids=ids[3:9])
    sf.later(90)
    sf.mutate("delete", id=ids[5])
    sf.mutate("create", object="Contact", values={"LastName": "new"})
    return sf, sf.query(f"SELECT {FIELDS} FROM Contact", everything=True)


def escaped(text: str) -> str:
    return text.replace("'", "\\'")


def leaf(row: Row, number: int, operator: str) -> Term:
    """A condition about one field, with a value that some record has."""
    stamp = row["SystemModstamp"].replace("+0000", "Z")
    record_id, created, name = row["Id"], row["CreatedDate"], row["LastName"]
    compare = COMPARE[operator]
    choices: list[Term] = [
        (f"SystemModstamp {operator} {stamp}", lambda r: compare(r["SystemModstamp"], row["SystemModstamp"])),
        (f"Id {operator} '{record_id[:15]}'", lambda r: compare(r["Id"][:15], record_id[:15])),
        (f"AccountId IN ('{row['AccountId']}')", lambda r: r["AccountId"] == row["AccountId"]),
        (f"AccountId NOT IN ('{row['AccountId']}')", lambda r: r["AccountId"] != row["AccountId"]),
        (f"Id IN ('{record_id}', '003Hf00000zzzzz')", lambda r: r["Id"] == record_id),
        (f"CreatedDate {operator} {created.replace('+0000', '+00:00')}", lambda r: compare(r["CreatedDate"], created)),
        (f"LastName {operator} '{escaped(name)}'", lambda r: compare(r["LastName"].lower(), name.lower())),
        (f"LastName LIKE '%{escaped(name[1:3])}%'", lambda r: name[1:3].lower() in r["LastName"].lower()),
        ("Email = null", lambda r: r["Email"] is None),
        ("IsDeleted = true", lambda r: bool(r["IsDeleted"])),
        (
            f"(SystemModstamp = {stamp} AND Id > '{record_id}') OR SystemModstamp > {stamp}",
            lambda r: (r["SystemModstamp"], r["Id"]) > (row["SystemModstamp"], record_id),
        ),
    ]
    return choices[number % len(choices)]


def grow(rng: random.Random, rows: list[Row], depth: int = 3) -> Term:
    """A condition made of others."""
    kind = rng.choice(["leaf", "AND", "OR", "NOT"]) if depth else "leaf"
    if kind == "leaf":
        return leaf(rng.choice(rows), rng.randrange(100), rng.choice(list(COMPARE)))
    if kind == "NOT":
        text, test = grow(rng, rows, depth - 1)
        return f"NOT ({text})", lambda row: not test(row)
    parts = [grow(rng, rows, depth - 1) for _ in range(rng.randint(1, 3))]
    every = all if kind == "AND" else any
    return f" {kind} ".join(f"({text})" for text, _ in parts), lambda row: every(test(row) for _, test in parts)


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_those_of_a_plain_filter(busy: tuple[Any, list[Row]], seed: int) -> None:
    sf, every = busy
    rng = random.Random(seed)
    for _ in range(25):
        text, test = grow(rng, every)
        order, everything = rng.choice(list(ORDERS)), rng.random() < 0.5
        limit = rng.choice([None, None, 1, 7])
        wanted = [row for row in every if test(row) and (everything or not row["IsDeleted"])]
        if "LastName" in order:
            wanted.sort(key=lambda row: row["SystemModstamp"], reverse=True)
        wanted.sort(key=ORDERS[order], reverse="CreatedDate DESC" in order)
        suffix = "" if limit is None else f" LIMIT {limit}"
        soql = f"SELECT {FIELDS} FROM Contact WHERE {text}{order}{suffix}"
        assert sf.query(soql, everything=everything) == wanted[:limit], soql

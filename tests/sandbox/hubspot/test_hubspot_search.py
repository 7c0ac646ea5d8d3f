from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.hubspot_render import to_ms
from tests.instants import START

COMPANIES = "/crm/v3/objects/companies"


def ids(answer: Any) -> list[str]:
    return [row["id"] for row in answer["results"]]


def keyset(hubspot: Any, kind: str, modified: str, low: int, high: int, limit: int = 200) -> list[str]:
    """The walk that never reaches the cap: a window of modified stamps, by id."""
    found: list[str] = []
    last = "0"
    while True:
        filters = [(modified, "GTE", str(low)), (modified, "LT", str(high)), ("hs_object_id", "GT", last)]
        page = ids(hubspot.search(kind, *filters, sorts=["hs_object_id"], limit=limit))
        if not page:
            return found
        found += page
        last = page[-1]


def test_the_answer_has_a_total_and_integer_cursors(hubspot: Any) -> None:
    answer = hubspot.search("contacts", limit=7)
    assert answer["total"] > 200
    assert answer["paging"] == {"next": {"after": "7"}}
    following = hubspot.search("contacts", limit=7, after="7")
    assert set(ids(following)).isdisjoint(ids(answer))
    assert "associations" not in answer["results"][0]


def test_the_default_page_is_ten_by_creation(hubspot: Any) -> None:
    answer = hubspot.search("companies")
    created = [row["properties"]["createdate"] for row in answer["results"]]
    assert len(created) == 10
    assert created == sorted(created)


def test_the_last_page_has_no_paging(hubspot: Any) -> None:
    assert "paging" not in hubspot.search("companies", limit=200)


@pytest.mark.parametrize(
    "body", [{"limit": 201}, {"limit": "5"}, {"after": "x"}, {"after": "10000"}, {"after": 9901, "limit": 100}]
)
def test_paging_out_of_bounds_is_refused(hubspot: Any, body: dict[str, Any]) -> None:
    assert hubspot.search("companies", status=400, **body)["category"] == "VALIDATION_ERROR"


def test_no_rate_headers_on_search(make_client: Callable[..., Any]) -> None:
    client = make_client(burst_limit=190, daily_limit=1000)
    answer = client.send("POST", "/crm/v3/objects/companies/search", json={})
    assert not [name for name in answer.headers if name.lower().startswith("x-hubspot-ratelimit")]


def test_too_many_groups_or_filters_are_refused(hubspot: Any) -> None:
    one = {"propertyName": "name", "operator": "HAS_PROPERTY"}
    many: list[Any] = [[{"filters": [one]}] * 6, [{"filters": [one] * 7}], [{"filters": [one] * 5}] * 4, [{}], "x"]
    for groups in many:
        hubspot.search("companies", status=400, filterGroups=groups)
    hubspot.search("companies", filterGroups=[{"filters": [one] * 6}] * 3)


def test_only_one_sort(hubspot: Any) -> None:
    hubspot.search("companies", status=400, sorts=["name", "domain"])
    hubspot.search("companies", status=400, sorts=["nonsense"])
    hubspot.search("companies", status=400, sorts=[5])
    up = hubspot.search("companies", sorts=[{"propertyName": "name", "direction": "ASCENDING"}], limit=200)
    down = hubspot.search("companies", sorts=["-name"], limit=200)
    names = [row["properties"]["name"].lower() for row in up["results"]]
    assert names == sorted(names)
    assert [row["properties"]["name"].lower() for row in down["results"]] == sorted(names, reverse=True)


def test_numbers_and_stamps_sort_as_numbers_and_gaps_come_last(hubspot: Any) -> None:
    rows = hubspot.search(
        "companies", sorts=["-monthly_recurring_revenue"], properties=["monthly_recurring_revenue"], limit=200
    )
    values = [float(row["properties"]["monthly_recurring_revenue"]) for row in rows["results"]]
    assert values == sorted(values, reverse=True)
    rows = hubspot.search("companies", sorts=["hs_lastmodifieddate"], limit=200)
    stamps = [row["updatedAt"] for row in rows["results"]]
    assert stamps == sorted(stamps)
    keys = [
        row["properties"]["product_account_id"]
        for row in hubspot.search(
            "companies", sorts=["product_account_id"], properties=["product_account_id"], limit=200
        )["results"]
    ]
    filled = [key for key in keys if key is not None]
    assert keys == [*sorted(filled, key=str.lower), *[None] * (len(keys) - len(filled))]


def test_operators_agree_with_a_plain_walk(hubspot: Any) -> None:
    names = ["plan_name", "monthly_recurring_revenue", "renewal_date", "product_account_id", "lifecyclestage", "name"]
    rows = list(hubspot.walk(COMPANIES, limit=100, properties=",".join(names)))

    def plain(test: Callable[[dict[str, str | None]], bool]) -> set[str]:
        return {row["id"] for row in rows if test(row["properties"])}

    def money(p: dict[str, str | None]) -> float:
        return float(p["monthly_recurring_revenue"] or 0)

    cases: list[tuple[list[tuple[str, str, Any]], Callable[[dict[str, Any]], bool]]] = [
        ([("plan_name", "EQ", "TEAM")], lambda p: p["plan_name"] == "team"),
        ([("plan_name", "NEQ", "team")], lambda p: p["plan_name"] != "team"),
        ([("plan_name", "IN", ["team", "free"])], lambda p: p["plan_name"] in {"team", "free"}),
        ([("plan_name", "IN", ["TEAM"])], lambda p: False),
        ([("plan_name", "NOT_IN", ["team"])], lambda p: p["plan_name"] != "team"),
        ([("plan_name", "GT", "free")], lambda p: p["plan_name"] > "free"),
        ([("lifecyclestage", "EQ", "CUSTOMER")], lambda p: False),
        ([("lifecyclestage", "EQ", "customer")], lambda p: p["lifecyclestage"] == "customer"),
        ([("monthly_recurring_revenue", "GT", "1000")], lambda p: money(p) > 1000),
        ([("monthly_recurring_revenue", "LTE", "1000")], lambda p: money(p) <= 1000),
        ([("monthly_recurring_revenue", "EQ", "0.0")], lambda p: money(p) == 0),
        ([("monthly_recurring_revenue", "NEQ", "0")], lambda p: money(p) != 0),
        ([("monthly_recurring_revenue", "IN", ["0"])], lambda p: money(p) == 0),
        ([("renewal_date", "GTE", "2027-01-01")], lambda p: p["renewal_date"] >= "2027-01-01"),
        ([("renewal_date", "LT", "1798761600000")], lambda p: p["renewal_date"] < "2027-01-01"),
        ([("product_account_id", "HAS_PROPERTY", "")], lambda p: p["product_account_id"] is not None),
        ([("product_account_id", "NOT_HAS_PROPERTY", "")], lambda p: p["product_account_id"] is None),
        (
            [("plan_name", "EQ", "team"), ("monthly_recurring_revenue", "GT", "100")],
            lambda p: p["plan_name"] == "team" and money(p) > 100,
        ),
    ]
    for filters, test in cases:
        assert set(ids(hubspot.search("companies", *filters, limit=200))) == plain(test), filters


def test_between_and_tokens(hubspot: Any) -> None:
    hubspot.mutate("options", search_lag=0)
    made = hubspot.post(COMPANIES, {"properties": {"name": "Zwölf Monde GmbH", "annualrevenue": "55"}}, 201)["id"]

    def find(**filter_: Any) -> list[str]:
        return ids(hubspot.search("companies", filterGroups=[{"filters": [filter_]}]))

    assert find(propertyName="annualrevenue", operator="BETWEEN", value="50", highValue="60") == [made]
    assert find(propertyName="name", operator="BETWEEN", value="zwö", highValue="zwöz") == [made]
    assert find(propertyName="name", operator="CONTAINS_TOKEN", value="monde") == [made]
    assert find(propertyName="name", operator="CONTAINS_TOKEN", value="mon*") == [made]
    assert find(propertyName="name", operator="CONTAINS_TOKEN", value="mon") == []
    assert made not in find(propertyName="name", operator="NOT_CONTAINS_TOKEN", value="monde")
    assert ids(hubspot.search("companies", query="zwölf")) == [made]


def test_ids_and_stamps_compare_as_numbers(hubspot: Any) -> None:
    rows = sorted(hubspot.walk(COMPANIES, limit=100), key=lambda row: int(row["id"]))
    middle = rows[len(rows) // 2]
    stamps = {row["id"]: to_ms(datetime.fromisoformat(row["updatedAt"])) for row in rows}
    at = stamps[middle["id"]]

    def find(*filters: tuple[str, str, Any], high: str = "") -> set[str]:
        groups = [{"propertyName": n, "operator": o, "value": v, "highValue": high} for n, o, v in filters]
        return set(ids(hubspot.search("companies", filterGroups=[{"filters": groups}], limit=200)))

    assert find(("hs_lastmodifieddate", "EQ", str(at))) == {i for i, ms in stamps.items() if ms == at}
    assert find(("hs_object_id", "NEQ", middle["id"])) == set(stamps) - {middle["id"]}
    born = {row["id"] for row in rows if row["createdAt"] >= middle["createdAt"]}
    assert find(("createdate", "GTE", middle["createdAt"])) == born
    inside = {i for i, ms in stamps.items() if at <= ms <= at + 10**10}
    assert find(("hs_lastmodifieddate", "BETWEEN", str(at)), high=str(at + 10**10)) == inside
    above = {i for i in stamps if int(i) > int(middle["id"])}
    assert find(("hs_object_id", "GT", f"{middle['id']}.5")) == above
    assert find(("hs_object_id", "LTE", f"{middle['id']}.5")) == set(stamps) - above
    assert find(("hs_object_id", "LT", f"{middle['id']}.5"), ("name", "HAS_PROPERTY", "")) == set(stamps) - above


def test_a_query_must_not_be_a_book(hubspot: Any) -> None:
    hubspot.search("companies", status=400, query="x" * 3001)


@pytest.mark.parametrize(
    "filter_",
    [
        {"propertyName": "nonsense", "operator": "EQ", "value": "1"},
        {"propertyName": "name", "operator": "LIKE", "value": "1"},
        {"propertyName": "name", "operator": "EQ"},
        {"propertyName": "name", "operator": "IN"},
        {"propertyName": "annualrevenue", "operator": "BETWEEN", "value": "1"},
        {"propertyName": "annualrevenue", "operator": "GT", "value": "much"},
        "text",
    ],
)
def test_filters_that_make_no_sense_are_refused(hubspot: Any, filter_: Any) -> None:
    hubspot.search("companies", status=400, filterGroups=[{"filters": [filter_]}])


def test_groups_are_alternatives(hubspot: Any) -> None:
    one, two = (hubspot.company(n)[0] for n in (0, 1))
    groups = [{"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": i}]} for i in (one, two, one)]
    assert sorted(ids(hubspot.search("companies", filterGroups=groups))) == sorted([one, two])
    many = hubspot.search("companies", ("hs_object_id", "IN", [one, two, "5", "x"]))
    assert sorted(ids(many)) == sorted([one, two])


def test_records_are_found_by_association(hubspot: Any) -> None:
    contact, _ = hubspot.contact()
    company = hubspot.get(f"/crm/v3/objects/contacts/{contact}", associations="companies")
    company_id = company["associations"]["companies"]["results"][0]["id"]
    found = hubspot.search("contacts", ("associations.company", "EQ", company_id), limit=200)
    assert contact in ids(found)
    assert hubspot.search("contacts", ("associations.company", "EQ", "12"))["total"] == 0


def test_writes_are_found_only_after_the_lag_and_old_values_until_then(hubspot: Any) -> None:
    record_id, company = hubspot.company()
    hubspot.search("companies")
    hubspot.ask("PATCH", f"{COMPANIES}/{record_id}", json={"properties": {"name": "Renamed Ltd"}})
    hubspot.later(9)
    assert hubspot.search("companies", ("name", "EQ", "renamed ltd"))["total"] == 0
    (stale,) = hubspot.search("companies", ("hs_object_id", "EQ", record_id))["results"]
    assert stale["properties"]["name"] == company.name
    assert stale["updatedAt"] < "2026-11-22"
    hubspot.later(1)
    (fresh,) = hubspot.search("companies", ("name", "EQ", "renamed ltd"))["results"]
    assert (fresh["id"], fresh["updatedAt"]) == (record_id, "2026-11-22T00:00:00.000Z")


def test_new_and_deleted_records_reach_the_index_late(hubspot: Any) -> None:
    hubspot.mutate("options", search_lag=60)
    gone, _ = hubspot.company()
    hubspot.later(60)
    made = hubspot.post(COMPANIES, {"properties": {"name": "brand new"}}, 201)["id"]
    hubspot.ask("DELETE", f"{COMPANIES}/{gone}", 204)
    every = hubspot.search("companies", limit=200)
    assert gone in ids(every)
    assert made not in ids(every)
    hubspot.later(60)
    every = hubspot.search("companies", limit=200)
    assert gone not in ids(every)
    assert made in ids(every)
    hubspot.mutate("restore", object="companies", id=gone)
    hubspot.later(60)
    assert gone in ids(hubspot.search("companies", limit=200))


def test_the_world_reaches_the_index_late_too(hubspot: Any) -> None:
    now = hubspot.world.now
    person = min((p for p in hubspot.world.people if p.in_crm and p.created_at > now), key=lambda p: p.created_at)
    record_id = str(50_000_000 + 13 * person.id)
    hubspot.search("contacts")
    hubspot.sandbox.clock.set(person.created_at + timedelta(seconds=9))
    hubspot.get(f"/crm/v3/objects/contacts/{record_id}")
    assert hubspot.search("contacts", ("hs_object_id", "EQ", record_id))["total"] == 0
    hubspot.later(1)
    assert hubspot.search("contacts", ("hs_object_id", "EQ", record_id))["total"] == 1
    hubspot.sandbox.clock.set(now)
    assert hubspot.search("contacts", ("hs_object_id", "EQ", record_id))["total"] == 0


def test_a_closing_deal_moves_in_the_index(hubspot: Any) -> None:
    now = hubspot.world.now
    deal = next(d for d in hubspot.world.deals if d.created_at < now and d.closed_at and d.closed_at > now)
    record_id = str(10_000_000_000 + 11 * deal.id)
    closing = to_ms(deal.closed_at)
    assert record_id not in keyset(hubspot, "deals", "hs_lastmodifieddate", closing, closing + 1)
    hubspot.sandbox.clock.set(deal.closed_at + timedelta(seconds=10))
    assert keyset(hubspot, "deals", "hs_lastmodifieddate", closing, closing + 1) == [record_id]


def test_a_keyset_walk_finds_exactly_the_window(hubspot: Any) -> None:
    rows = list(hubspot.walk("/crm/v3/objects/contacts", limit=100))
    stamps = {row["id"]: row["updatedAt"] for row in rows}
    low, high = "2026-08-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"
    found = keyset(hubspot, "contacts", "lastmodifieddate", 1785542400000, 1793491200000, limit=10)
    assert found == sorted((i for i, stamp in stamps.items() if low <= stamp < high), key=int)
    assert len(found) > 20


def test_a_small_id_range_in_a_wide_window(hubspot: Any) -> None:
    wanted = sorted(keyset(hubspot, "contacts", "lastmodifieddate", 0, 1795305600000), key=int)[5:8]
    filters = [
        ("lastmodifieddate", "GTE", "0"),
        ("lastmodifieddate", "LTE", "1795305600000"),
        ("hs_object_id", "GTE", wanted[0]),
        ("hs_object_id", "LTE", wanted[-1]),
    ]
    assert sorted(ids(hubspot.search("contacts", *filters)), key=int) == wanted


def test_the_wrong_modified_property_fails_silently(hubspot: Any) -> None:
    assert hubspot.search("contacts", ("hs_lastmodifieddate", "GTE", "0"))["total"] == 0
    assert hubspot.search("companies", ("lastmodifieddate", "GTE", "0"))["total"] == 0


def test_more_than_ten_thousand_equal_stamps(make_client: Callable[..., Any]) -> None:
    from sandbox.world import make_world

    client = make_client(world=make_world(accounts=700, now=START), search_lag=0)
    client.search("contacts")
    client.later(3600)
    count = client.mutate("touch", object="contacts", stamp="2026-11-22T00:30:00+00:00", properties={"phone": "1"})
    assert count > 10_000
    stamp = 1795307400000
    window = [("lastmodifieddate", "GTE", str(stamp)), ("lastmodifieddate", "LT", str(stamp + 1))]
    assert client.search("contacts", *window)["total"] == count
    at_the_cap = client.search("contacts", *window, limit=200, after="9800")
    assert at_the_cap["paging"]["next"]["after"] == "10000"
    client.search("contacts", *window, limit=200, after="10000", status=400)
    assert len(keyset(client, "contacts", "lastmodifieddate", stamp, stamp + 1)) == count

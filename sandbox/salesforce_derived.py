"""What follows from other records: derived fields, formulas, and the changes that a change brings along."""

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.model import Company
from sandbox.salesforce_base import Getter, Listener
from sandbox.salesforce_store import Table

if TYPE_CHECKING:
    from sandbox.salesforce_org import Org

_DAY_MS = 86_400_000
_ARCHIVE_DAYS = 365
"""After so long closed tasks are archived."""
_CHILDREN = (("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Contract", "AccountId"))
"""What is deleted together with its account."""


def _day(ms: int) -> date:
    return date(1970, 1, 1) + timedelta(days=ms // _DAY_MS)


def add_months(day: date, months: int) -> date:
    """The same day so many months on; the month's last day where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def derive(org: "Org") -> None:
    """Give the tables their derived fields."""
    tables = org.tables
    for name in ("Contact", "User"):
        tables[name].computed["Name"] = _full_name(tables[name])
    deals, cases, tasks = tables["Opportunity"], tables["Case"], tables["Task"]
    stage, status, state = deals.reader("StageName"), cases.reader("Status"), tasks.reader("Status")
    deals.computed["IsClosed"] = lambda p, now: str(stage(p, now)).startswith("Closed")
    deals.computed["IsWon"] = lambda p, now: stage(p, now) == "Closed Won"
    cases.computed["IsClosed"] = lambda p, now: status(p, now) == "Closed"
    tasks.computed["IsClosed"] = lambda p, now: state(p, now) == "Completed"
    priority = tasks.reader("Priority")
    tasks.computed["IsHighPriority"] = lambda p, now: priority(p, now) == "High"
    for name in ("Task", "Event"):
        tables[name].computed["AccountId"] = _activity_account(org, tables[name])
    tasks.archived = lambda p, now: _archived(org, p, now)
    tasks.computed["IsArchived"] = tasks.archived
    tables["Account"].computed["Days_To_Renewal__c"] = _days_to_renewal(tables["Account"])
    tables["Contract"].computed["EndDate"] = _end_date(tables["Contract"])
    for name, field, form in (
        ("Case", "CaseNumber", "{:08d}"),
        ("Contract", "ContractNumber", "{:08d}"),
        ("NPS_Response__c", "Name", "NPS-{:06d}"),
    ):
        tables[name].computed[field] = _numbered(form)
    for name in ("Account", "Contact"):
        tables[name].computed["LastActivityDate"] = _last_activity(org, name)


def _full_name(table: Table) -> Getter:
    first, last = table.reader("FirstName"), table.reader("LastName")
    return lambda p, now: " ".join(part for part in (first(p, now), last(p, now)) if part)


def _numbered(form: str) -> Getter:
    return lambda p, _now: form.format(p + 1)


def _activity_account(org: "Org", table: Table) -> Getter:
    """What the task or event is about, or whose account the contact belongs to."""

    def account(place: int, now: int) -> str | None:
        for name in ("WhatId", "WhoId"):
            target = table.value(place, name, now)
            if target and (found := org.home_account(org.kind_of(target) or "", target, {})):
                return found
        return None

    return account


def _archived(org: "Org", place: int, now: int) -> bool:
    tasks = org.tables["Task"]
    old = now - _ARCHIVE_DAYS * _DAY_MS
    return bool(tasks.computed["IsClosed"](place, now)) and tasks.stamp(place, now) < old


def _days_to_renewal(accounts: Table) -> Getter:
    renewal = accounts.reader("Renewal_Date__c")

    def days(place: int, now: int) -> float | None:
        day = renewal(place, now)
        return None if day is None else float((date.fromisoformat(day) - _day(now)).days)

    return days


def _end_date(contracts: Table) -> Getter:
    start, term = contracts.reader("StartDate"), contracts.reader("ContractTerm")

    def end(place: int, now: int) -> str | None:
        item, log = contracts.items[place], contracts.written.get(place)
        if isinstance(item, Company) and (log is None or log.values.keys().isdisjoint({"StartDate", "ContractTerm"})):
            return item.renewal_date.isoformat()
        day, months = start(place, now), term(place, now)
        if day is None or months is None:
            return None
        return (add_months(date.fromisoformat(day), int(months)) - timedelta(days=1)).isoformat()

    return end


def _last_activity(org: "Org", kind: str) -> Getter:
    tasks = org.tables["Task"]
    field = "AccountId" if kind == "Account" else "WhoId"
    table = org.tables[kind]

    def last(place: int, now: int) -> str | None:
        if not len(tasks):
            return None
        found = tasks.referring(field, [table.id_at(place)], now, deleted=True)
        days = (tasks.value(p, "ActivityDate", now) for p in found if tasks.computed["IsClosed"](p, now))
        return max((day for day in days if day), default=None)

    return last


# ---- changes that bring others along ---------------------------------------------------------------------------------


def cascade(org: "Org") -> None:
    """Let deletions reach what hangs on a record, and contacts keep their direct relation."""
    org.tables["Account"].listeners.append(lambda *change: _account_changed(org, *change))
    org.tables["Case"].listeners.append(_stamps_end(org.tables["Case"], "Closed", "ClosedDate"))
    org.tables["Task"].listeners.append(_stamps_end(org.tables["Task"], "Completed", "CompletedDateTime"))
    relations = org.tables.get("AccountContactRelation")
    if relations is not None:
        org.tables["Contact"].listeners.append(lambda *change: _contact_changed(org, relations, *change))


def _stamps_end(table: Table, last: str, field: str) -> Listener:
    """Notes when a record's status reached its last value, and forgets it when it is opened again."""

    def changed(_what: str, place: int, values: Mapping[str, Any], now: int, _by: str) -> None:
        if "Status" in values:
            table.touch(place).values[field] = now // 1000 * 1000 if values["Status"] == last else None

    return changed


def _account_changed(org: "Org", what: str, place: int, values: Mapping[str, Any], now: int, by: str) -> None:
    accounts = org.tables["Account"]
    if what == "delete" and accounts.written[place].master is None:
        for name, field in _CHILDREN:
            child = org.tables[name]
            for row in child.referring(field, [accounts.id_at(place)], now):
                child.delete(row, now, by=by)
    if what == "undelete":
        for name, field in _CHILDREN:
            child = org.tables[name]
            for row in child.referring(field, [accounts.id_at(place)], now, deleted=True):
                if _went_along(child, row, values):
                    child.undelete(row, now, by=by)


def _went_along(child: Table, row: int, values: Mapping[str, Any]) -> bool:
    """Whether a record was deleted together with the one that now comes back."""
    log = child.written.get(row)
    return log is not None and log.master is None and log.deleted_at == values["DeletedAt"]


def _contact_changed(
    org: "Org",
    relations: Table,
    what: str,
    place: int,
    values: Mapping[str, Any],
    now: int,
    by: str,
) -> None:
    contact = org.tables["Contact"].id_at(place)
    rows = relations.referring("ContactId", [contact], now, deleted=True)
    if what == "delete":
        for row in rows:
            if not relations.deleted(row):
                relations.delete(row, now, by=by)
    elif what == "undelete":
        for row in rows:
            if _went_along(relations, row, values):
                relations.undelete(row, now, by=by)
    elif what == "purge":
        for row in rows:
            relations.purge(row)
    elif "AccountId" in values:
        _keep_direct(relations, contact, values["AccountId"], now, by)


def _keep_direct(relations: Table, contact: str, account: str | None, now: int, by: str) -> None:
    """A contact has one direct relation, with the account it belongs to."""
    rows = relations.referring("ContactId", [contact], now)
    direct = [row for row in rows if relations.value(row, "IsDirect", now)]
    for row in rows:
        if row not in direct and relations.value(row, "AccountId", now) == account:
            relations.delete(row, now, by=by)
    for row in direct:
        if account is None:
            relations.delete(row, now, by=by)
        else:
            relations.write(row, {"AccountId": account}, now, by=by)
    if account is not None and not direct:
        made = {"AccountId": account, "ContactId": contact, "IsDirect": True, "IsActive": True}
        relations.insert(made, now, by=by)


def merge(org: "Org", kind: str, winner: int, losers: list[int], by: str) -> None:
    """Merge records of one kind: what referred to a loser refers to the winner, the loser is deleted and names it.

    Empty fields of the winner stay empty, as over the API. Children move their SystemModstamp, not their
    LastModifiedDate.
    """
    table, now = org.tables[kind], org.now
    winner_id = table.id_at(winner)
    for loser in losers:
        for child in org.tables.values():
            if not child.object.setup:
                _repoint(org, child, kind, table.id_at(loser), winner_id, by)
        table.delete(loser, now, by=by, master=winner_id)
    table.write(winner, {}, now, by=by)


def _repoint(org: "Org", child: Table, kind: str, loser: str, winner: str, by: str) -> None:
    now = org.now
    relations = child.object.name == "AccountContactRelation"
    for field in list(child.object):
        if field.type != "reference" or kind not in field.refers_to or field.name in child.computed:
            continue
        for row in child.referring(field.name, [loser], now):
            # Nobody becomes their own parent, and a contact keeps the one account that is its home.
            values: dict[str, Any] = {field.name: None if child.id_at(row) == winner else winner}
            if relations and kind == "Contact":
                values["IsDirect"] = False
            child.write(row, values, now, by=by, modified=False)
    if relations:
        _drop_twins(child, winner, now, by)


def _drop_twins(relations: Table, record_id: str, now: int, by: str) -> None:
    """After a merge a contact and an account may be related twice: the direct or first row stays."""
    mine: Callable[[int, str], Any] = lambda row, name: relations.value(row, name, now)  # noqa: E731
    rows = {*relations.referring("AccountId", [record_id], now), *relations.referring("ContactId", [record_id], now)}
    kept: set[tuple[str, str]] = set()
    for row in sorted(rows, key=lambda r: (not mine(r, "IsDirect"), r)):
        pair = (mine(row, "AccountId"), mine(row, "ContactId"))
        if pair in kept:
            relations.delete(row, now, by=by)
        kept.add(pair)

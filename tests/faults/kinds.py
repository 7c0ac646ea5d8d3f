"""What may go wrong at a request of an agent's work: vendor, network, people, clocks, and the agent's own machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connectors.base import Value
from sandbox.faults import Fault
from tests.crash.desk import Desk
from tests.faults.line import UPDATE, Line

ON = 400
"""How many requests a storm may last: longer than any run."""
WIDE = timedelta(days=1, hours=1)

Bodies = Mapping[str, tuple[int, Any]]

LIMITED: Bodies = {
    "hubspot": (429, {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}),
    "salesforce": (
        403,
        [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentPerOrgLongTxn Limit exceeded."}],
    ),
}
QUOTA: Bodies = {
    "hubspot": (429, {"status": "error", "errorType": "RATE_LIMIT", "policyName": "DAILY"}),
    "salesforce": (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]),
}
EXPIRED: Bodies = {
    "hubspot": (401, {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "Authentication failed."}),
    "salesforce": (401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]),
}
FORBIDDEN: Bodies = {
    "hubspot": (403, {"status": "error", "category": "MISSING_SCOPES", "message": "One or more scopes are missing."}),
    "salesforce": (403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "insufficient access rights"}]),
}
BROKEN: Bodies = {
    "hubspot": (500, {"status": "error", "message": "internal error"}),
    "salesforce": (500, [{"errorCode": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred."}]),
}
BUSY_ROW: Bodies = {
    "hubspot": (423, {"status": "error", "category": "LOCKED", "message": "The record is being written to."}),
    "salesforce": (400, [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}]),
}
RETIRED: Bodies = {
    "hubspot": (410, {"status": "error", "message": "This API has been retired."}),
    "salesforce": (410, [{"errorCode": "API_VERSION_RETIRED", "message": "This version is retired."}]),
}


@dataclass
class Case:
    """One disturbance at one request.

    Attributes:
        clock: The agent's, with its `offset`.
        number: Of the request, counted from 1.
        excused: Ids of records that people took away or put together: what becomes of them is theirs.
        mend: What puts things right before the next run.
        wait: How long after the disturbed work the next run starts.
        more: How many runs more than one it takes until everything is right.
    """

    desk: Desk
    line: Line
    clock: Any
    number: int
    excused: set[str] = field(default_factory=set)
    mend: list[Callable[[], Any]] = field(default_factory=list)
    wait: timedelta = timedelta(hours=1)
    more: int = 0

    @property
    def crm(self) -> str:
        return self.desk.kind.crm

    def fault(self, kind: Any, **rule: Any) -> None:
        self.desk.box.faults.add(Fault(kind, vendor=self.crm, **{"nth": self.number, **rule}))

    def before(self, act: Callable[[], Any]) -> None:
        self.line.before[self.number] = act

    def do(self, action: str, **args: Any) -> Any:
        """What people do in the CRM."""
        return self.desk.box.mutate(self.crm, action, **args)

    def account(self, place: int) -> str:
        """An account that is to be changed; those at even places get a task."""
        return sorted(self.desk.inside.records("account"))[place]

    @property
    def score(self) -> str:
        return next(owned.spec.name for owned in self.desk.fields if owned.logical == "account.health_score")

    @property
    def band(self) -> str:
        return next(owned.spec.name for owned in self.desk.fields if owned.logical == "account.health_band")


Disturb = Callable[[Case], None]


def status(bodies: Bodies | int, *, effect: bool = False, on: bool = False, **headers: str) -> Disturb:
    """An answer of the vendor's: what it says in each CRM, or a bare status; `on`: from there on to every request."""

    def disturb(case: Case) -> None:
        number, body = bodies[case.crm] if not isinstance(bodies, int) else (bodies, "")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        more = {"nth": range(case.number, case.number + ON)} if on else {}
        case.fault("status", status=number, body=body, effect=effect, headers=named, **more)

    return disturb


def fault(kind: str, *, on: bool = False, **rule: Any) -> Disturb:
    """A fault of the network."""

    def disturb(case: Case) -> None:
        case.fault(kind, **rule, **({"nth": range(case.number, case.number + ON)} if on else {}))

    return disturb


# -- what people do ---------------------------------------------------------------------------------------------------


def edited(case: Case) -> None:
    """Somebody edits our score of an account."""

    def act() -> None:
        one = case.account(1)
        if one in case.desk.inside.records("account"):
            case.desk.edit("account", one, case.score, 99.0)
        if UPDATE.search(case.line.log[-1]):
            # Between the look at a record and the write to it there is nothing that could tell.
            case.desk.unsure.add(("account", one, case.score))
        if case.desk.expected is not None:
            # An undo that meets an edit between its plan and its write leaves the whole record as it is, and says so.
            case.desk.unsure |= {("account", one, owned.spec.name) for owned in case.desk.fields}

    case.before(act)


def emptied(case: Case) -> None:
    """Somebody empties our score of an account, which hands it back to us."""
    empty: Value = "" if case.crm == "hubspot" else None

    def act() -> None:
        case.desk.inside.edit("account", case.account(1), case.score, empty)
        if case.desk.expected is not None:
            case.desk.unsure.add(("account", case.account(1), case.score))

    case.before(act)


def deleted(case: Case) -> None:
    """Somebody deletes an account; Salesforce takes its people away with it."""
    one = case.account(1)
    people = case.desk.inside.records("contact").items()
    case.excused |= {one, *(person for person, row in people if row.get("AccountId") == one)}
    action = {"action": "archive", "object": "companies"} if case.crm == "hubspot" else {"action": "delete"}
    case.before(lambda: case.do(**action, id=one))


def merged(case: Case) -> None:
    """Somebody merges two accounts; the tasks of both are the winner's from then on."""
    winner, loser = case.account(2), case.account(1)
    case.excused |= {winner, loser}
    people = case.desk.inside.records("contact").items()
    case.excused |= {one for one, row in people if row.get("AccountId") == loser}
    more = {"object": "companies"} if case.crm == "hubspot" else {}
    case.before(lambda: case.do("merge", winner=winner, loser=loser, **more))


def owner_leaves(case: Case) -> None:
    """The colleague who is to do the tasks leaves."""
    name = "hubspot_owner_id" if case.crm == "hubspot" else "OwnerId"
    owners = {str(row[name]) for row in case.desk.inside.records("account").values() if row.get(name)}
    action = "deactivate_owner" if case.crm == "hubspot" else "deactivate_user"
    case.before(lambda: [case.do(action, id=one) for one in sorted(owners)[:1]])


def locked(tries: int) -> Disturb:
    """Somebody's long transaction holds an account; HubSpot has no such locks, so that a whole request is refused."""

    def disturb(case: Case) -> None:
        if case.crm == "hubspot":
            number, body = BUSY_ROW["hubspot"]
            case.fault("status", status=number, body=body, nth=range(case.number, case.number + tries))
        else:
            case.before(lambda: case.do("lock", id=case.account(1), tries=tries))
            case.mend.append(lambda: case.do("clear_obstacles"))

    return disturb


def rule(case: Case) -> None:
    """An admin makes a rule that refuses some of what we write: one account (Salesforce), or one field (HubSpot)."""
    message = "Legal: has closed, this account"
    if case.crm == "hubspot":
        case.before(lambda: case.do("rule", object="companies", property=case.score, message=message))
        case.mend.append(lambda: case.do("clear_rules"))
    else:
        case.before(lambda: case.do("rule", object="Account", id=case.account(1), message=message))
        case.mend.append(lambda: case.do("clear_obstacles"))


def no_tasks(case: Case) -> None:
    """An admin makes a rule that refuses every task."""
    kind = "tasks" if case.crm == "hubspot" else "Task"
    case.before(lambda: case.do("rule", object=kind, message="No tasks on Mondays"))
    case.mend.append(lambda: case.do("clear_rules" if case.crm == "hubspot" else "clear_obstacles"))


def field_goes(case: Case) -> None:
    """An admin deletes a field of ours; before the next run somebody brings it back."""
    if case.crm == "hubspot":
        case.before(lambda: case.do("delete_property", object="companies", name=case.score))
        case.mend.append(lambda: case.do("restore_property", object="companies", name=case.score))
        # It brings its values along without a change of any record: they are seen when a record is looked at right
        # before it is written, which is a conflict then, and written in the hour after.
        case.more = 1
    else:
        case.before(lambda: case.do("drop_field", object="Account", field=case.score))
    case.mend.append(lambda: case.desk.connect().setup([one.spec for one in case.desk.fields], dry_run=False))


def choice_goes(case: Case) -> None:
    """An admin takes a choice off a field of ours; before the next run somebody sets it up again."""
    if case.crm == "hubspot":
        case.before(lambda: case.do("drop_option", object="companies", name=case.band, value="red"))
    else:
        case.before(lambda: case.do("drop_value", object="Account", field=case.band, value="red"))
        case.mend.append(lambda: _restore_values(case))
    case.mend.append(lambda: case.desk.connect().setup([one.spec for one in case.desk.fields], dry_run=False))


def _restore_values(case: Case) -> None:
    spec = next(owned.spec for owned in case.desk.fields if owned.spec.name == case.band)
    changes = {"values": list(spec.options), "restricted": False}
    case.do("change_field", object="Account", field=case.band, changes=changes)


def job_fails(case: Case) -> None:
    """Salesforce's bulk jobs fail as a whole; HubSpot has none, so that one request fails."""
    if case.crm == "hubspot":
        status(BROKEN)(case)
        return
    case.before(lambda: case.do("options", bulk_fail="InternalServerError : no"))
    case.mend.append(lambda: case.do("options", bulk_fail=""))


def session_ends(case: Case) -> None:
    """Every session ends, as seen by the vendor: the token that we hold is refused from then on."""
    case.before(lambda: case.do("expire_tokens"))


# -- clocks, and the machine ------------------------------------------------------------------------------------------


def clock(step: timedelta) -> Disturb:
    """The machine's clock jumps, and is put right before the next run."""

    def disturb(case: Case) -> None:
        def jump(by: timedelta) -> None:
            case.clock.offset += by

        case.before(lambda: jump(step))
        case.mend.append(lambda: jump(-step))
        case.wait = WIDE  # a stamp from a clock that was a day ahead holds for that day

    return disturb


def crash_before(case: Case) -> None:
    case.before(case.line.crash)


def crash_after(case: Case) -> None:
    case.line.after[case.number] = case.line.crash


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATE = 600.0

DISTURBANCES: Mapping[str, Disturb] = {
    "limit": status(LIMITED, Retry_After="1"),
    "limit_on": status(LIMITED, Retry_After="1", on=True),
    "too_many": status(429),
    "quota": status(QUOTA),
    "quota_on": status(QUOTA, on=True),
    "expired": status(EXPIRED),
    "expired_on": status(EXPIRED, on=True),
    "session_ends": session_ends,
    "forbidden": status(FORBIDDEN),
    "not_found": status(404),
    "too_large": status(413),
    "retired": status(RETIRED),
    "retired_on": status(RETIRED, on=True),
    "error": status(BROKEN),
    "error_after": status(BROKEN, effect=True),
    "unavailable": status(503),
    "unavailable_after": status(503, effect=True),
    "unavailable_on": status(503, on=True),
    "unavailable_after_on": status(503, effect=True, on=True),
    "gateway": fault("html"),
    "gateway_after": fault("html", effect=True),
    "no_answer": fault("timeout_before"),
    "no_answer_after": fault("timeout_after"),
    "no_answer_after_on": fault("timeout_after", on=True),
    "slow": fault("slow", seconds=20.0),
    "too_slow": fault("slow", seconds=7200.0),
    "late": fault("late", effect_after_seconds=LATE),
    "late_on": fault("late", effect_after_seconds=LATE, on=True),
    "late_error": fault("late", effect_after_seconds=LATE, status=504),
    "reset": fault("reset"),
    "reset_after": fault("reset", effect=True),
    "reset_on": fault("reset", on=True),
    "half_a_body": fault("cut"),
    "half_a_body_on": fault("cut", on=True),
    "web_page": fault("html", status=200),
    "web_page_after": fault("html", status=200, effect=True),
    "web_page_on": fault("html", status=200, on=True),
    "not_json": fault("not_json"),
    "not_json_after": fault("not_json", effect=True),
    "too_few": fault("empty_page"),
    "too_many_rows": fault("duplicate_rows", rows=1),
    "drift": fault("drift"),
    "nothing": fault("empty"),
    "redirect": fault("redirect"),
    "redirect_after": fault("redirect", status=307, effect=True),
    "locked": locked(2),
    "long_locked": locked(40),
    "job_fails": job_fails,
    "rule": rule,
    "no_tasks": no_tasks,
    "owner_leaves": owner_leaves,
    "field_goes": field_goes,
    "choice_goes": choice_goes,
    "edited": edited,
    "emptied": emptied,
    "deleted": deleted,
    "merged": merged,
    "hour_back": clock(-HOUR),
    "hour_on": clock(HOUR),
    "day_back": clock(-DAY),
    "day_on": clock(DAY),
    "crash_before": crash_before,
    "crash_after": crash_after,
}
"""Name -> what makes it happen. "on": from that request on to the end of the work; "after": once the CRM has acted."""

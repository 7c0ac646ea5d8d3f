"""How one `send` reaches Salesforce: by collections requests of 200 records, or by a bulk job.

Facts are from Salesforce's public REST guide and public issues; `connectors.salesforce_write` tells what is done about
them.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from connectors.base import Change, ObjectName, Outcome, Result, Row
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    UnclearError,
)
from connectors.http import refused_with
from connectors.salesforce_api import Api
from connectors.salesforce_ingest import Ingest, Told, Update
from connectors.salesforce_kinds import TASK_KEY
from connectors.salesforce_outcomes import ABSENT, DUPLICATE_ALERT, HIDDEN, Refusal, from_item, from_refused_call
from connectors.salesforce_tasks import stepped_down
from connectors.salesforce_values import OBJECTS, fits_cell, short_id

BATCH = 200
"""Most records in one collections request."""
LOCK_TRIES = 3
LOCK_WAIT = 2.0
"""Seconds, about, before locked records are sent again; doubles. The server itself has waited 10 before."""
MOST_AGAIN = 2_000
"""Most rows of a bulk job that are sent once more by collections; beyond that they wait for the next run."""
MOST_REFUSALS = 50
"""Whole calls refused one after the other before halving is given up: then it is not about the records."""

COLLECTIONS = "composite/sobjects"
HEADERS = {"Sforce-Auto-Assign": "false"}
"""No assignment rules: a score must not hand anybody's account to somebody else."""
DUPLICATE_HEADERS = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""Lets an update pass duplicate rules that only alert; such rules exist on accounts and contacts, not on tasks."""
PURPOSES: dict[ObjectName, str] = {"account": "write", "contact": "write", "task": "write tasks"}


@dataclass(slots=True)
class Item:
    """One change under way.

    Attributes:
        row: The record as it is sent.
        locks: How often it met a lock.
    """

    change: Change
    row: Row
    locks: int = 0

    @property
    def identity(self) -> str:
        """Equal for two changes of one record, which must not go in one request; the form of its id does not count."""
        return self.change.key if self.change.record_id is None else self.change.record_id[:15]

    @property
    def place(self) -> str:
        """The record that Salesforce locks for it, as far as we know: everything is sent in this order."""
        return str(self.row.get("id") or self.row.get("WhatId"))[:15]


TAKEN = "DUPLICATE_VALUE"
_TASK_ID = re.compile(r"\b00T[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?\b")

Find = Callable[[Sequence[str]], Mapping[str, str]]
Prepare = Callable[[Sequence[Change]], tuple[dict[str, Outcome], list[Item]]]
Verdict = Outcome | Refusal


class Delivery:
    """One `send` and what is known about it so far.

    Args:
        api: The org.
        obj: Kind of every record.
        prepare: Looks at the org's fields again: gives outcomes of changes not worth sending, and the others anew.
        rng: Source of jitter.
        find: Finds our tasks on accounts: key -> task id.
    """

    def __init__(self, api: Api, obj: ObjectName, prepare: Prepare, rng: random.Random, find: Find) -> None:
        self.api = api
        self.obj = obj
        self.find = find
        self._prepare = prepare
        self._rng = rng
        self._sent = False
        self._looked_again = False
        self._refused = 0

    # -- collections --------------------------------------------------------------------------------------------

    def by_collections(self, batch: Sequence[Item]) -> Iterator[Outcome]:
        """Send at most 200 records that are all different, and those again that may be sent again at once.

        Raises:
            CredentialsError, QuotaError: Only when nothing at all was sent before.
        """
        waiting = list(batch)
        while waiting:
            again: list[Item] = []
            hidden: list[tuple[Item, Refusal]] = []
            known: list[tuple[Item, Refusal]] = []
            pause = 0.0
            for item, verdict in self._once(waiting):
                if isinstance(verdict, Outcome):
                    yield verdict
                elif self.obj == "task" and says_taken(verdict, TASK_KEY):
                    known.append((item, verdict))
                elif verdict.locked and item.locks + 1 < LOCK_TRIES:
                    pause = max(pause, LOCK_WAIT * 2**item.locks)
                    item.locks += 1
                    again.append(item)
                elif self.obj == "task" and (lesser := stepped_down(item.row, item.change, verdict)) is not None:
                    item.row = lesser
                    again.append(item)
                elif verdict.code in HIDDEN and not self._looked_again:
                    hidden.append((item, verdict))
                else:
                    yield verdict.outcome(item.change)
            yield from made_before(known, self.find)
            outcomes, anew = self._seen_anew(hidden)
            yield from outcomes
            again += anew
            if again and pause:
                self.api.clock.sleep(pause * self._rng.uniform(0.5, 1.5))
            waiting = sorted(again, key=lambda item: item.place)

    def _once(self, items: Sequence[Item]) -> Iterator[tuple[Item, Verdict]]:
        """One request, or several where Salesforce refuses one as a whole: then it is halved."""
        todo = [list(items)]
        while todo:
            part = todo.pop()
            try:
                answer = self._post(part)
            except (CredentialsError, QuotaError) as error:
                if not self._sent:
                    raise
                yield from _all(part, "retry", error)
            except UnclearError as error:
                yield from _all(part, "in_doubt", error)
            except ConnectorError as error:
                self._refused += 1
                if not _about_records(error) or self._refused > MOST_REFUSALS:
                    yield from _all(part, "retry", error)
                elif refused_with(error, *HIDDEN) and (looked := self._look_again(part)) is not None:
                    refused, left = looked
                    yield from ((item, refused[item.change.key]) for item in part if item.change.key in refused)
                    todo += [left] if left else []
                elif len(part) == 1:
                    yield part[0], from_refused_call(error)
                else:
                    middle = len(part) // 2
                    todo += [part[middle:], part[:middle]]
            else:
                self._refused = 0
                yield from self._judged(part, answer)
            self._sent = True

    def _judged(self, items: Sequence[Item], answer: Any) -> Iterator[tuple[Item, Verdict]]:
        return judged(items, answer)

    def _post(self, items: Sequence[Item]) -> Any:
        task = self.obj == "task"
        return self.api.json(
            "POST" if task else "PATCH",
            COLLECTIONS,
            purpose=PURPOSES[self.obj],
            body={"allOrNone": False, "records": [item.row for item in items]},
            repeatable=False,
            headers=HEADERS if task else {**HEADERS, **DUPLICATE_HEADERS},
        )

    def _look_again(self, items: Sequence[Item]) -> tuple[dict[str, Outcome], list[Item]] | None:
        """The items by a fresh description of the fields; None when it changes nothing. Done once in a `send`."""
        if self._looked_again:
            return None
        self._looked_again = True
        try:
            refused, left = self._prepare([item.change for item in items])
        except ConnectorError:
            return None
        same = [item.row for item in left] == [item.row for item in items]
        return None if same and not refused else (refused, left)

    def _seen_anew(self, hidden: Sequence[tuple[Item, Refusal]]) -> tuple[list[Outcome], list[Item]]:
        """What a fresh description makes of records that were refused for a field."""
        if not hidden:
            return [], []
        looked = self._look_again([item for item, _ in hidden])
        if looked is None:
            return [refusal.outcome(item.change) for item, refusal in hidden], []
        return list(looked[0].values()), looked[1]

    # -- bulk jobs ----------------------------------------------------------------------------------------------

    def by_bulk(self, batch: Sequence[Item]) -> Iterator[Outcome]:
        """Update records that are all different by a bulk job; single rows of it once more by collections.

        Raises:
            CredentialsError, QuotaError: Only when nothing at all was sent before.
        """
        plain: list[Item] = []
        again: list[Item] = []
        for item in batch:
            (plain if all(map(fits_cell, item.change.values.values())) else again).append(item)
        updates = [Update(str(item.change.record_id), item.change.values) for item in plain]
        try:
            told = Ingest(self.api).update(OBJECTS[self.obj], updates)
        except (CredentialsError, QuotaError) as error:
            if not self._sent:
                raise
            yield from (outcome for _, outcome in _all(plain, "retry", error))
        except (MissingPermissionError, RequestError):
            # No bulk jobs for this user or kind of record: the long way still works.
            again = list(batch)
        except ConnectorError as error:
            yield from (outcome for _, outcome in _all(plain, "retry", error))
        else:
            self._sent = True
            outcomes, once_more = self._settled(plain, told)
            yield from outcomes
            again += once_more
        for start in range(0, len(again), BATCH):
            yield from self.by_collections(again[start : start + BATCH])

    def _settled(self, items: Sequence[Item], told: Told) -> tuple[list[Outcome], list[Item]]:
        """What a job's results say about each record, and what collections may do better."""
        outcomes: list[Outcome] = []
        again: list[Item] = []
        untouched: list[Item] = []
        for item in items:
            short, key, record_id = item.identity, item.change.key, item.change.record_id
            refusal = told.refused.get(short)
            if (short in told.done) + (refusal is not None) + (short in told.untouched) != 1:
                outcomes.append(Outcome(key, "in_doubt", record_id, message=told.words))
            elif short in told.done:
                outcomes.append(Outcome(key, "confirmed", record_id))
            elif refusal is None:
                untouched.append(item)
            elif (refusal.locked or refusal.code == DUPLICATE_ALERT) and len(again) < MOST_AGAIN:
                again.append(item)
            else:
                outcomes.append(refusal.outcome(item.change))
        return [*outcomes, *self._left_alone(untouched, told)], again

    def _left_alone(self, items: Sequence[Item], told: Told) -> Iterator[Outcome]:
        """Rows that a job never came to. A field that is gone stops a whole job, so the fields are looked at again."""
        looked = self._look_again(items) if items else None
        refused = looked[0] if looked else {}
        for item in items:
            nothing = Outcome(item.change.key, "retry", item.change.record_id, message=told.words)
            yield refused.get(item.change.key, nothing)


def rounds(todo: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Batches of at most `size` records, each record once in a batch."""
    left = list(todo)
    while left:
        batch: list[Item] = []
        later: list[Item] = []
        taken: set[str] = set()
        for item in left:
            full = len(batch) == size or item.identity in taken
            (later if full else batch).append(item)
            taken.add(item.identity)
        yield batch
        left = later


def judged(items: Sequence[Item], answer: Any) -> Iterator[tuple[Item, Verdict]]:
    """What a collections answer says about each record.

    Answers belong to records by their place. Where their number is another, only those count that name a record.
    """
    answers: Iterable[Any]
    if isinstance(answer, list) and len(answer) == len(items):
        answers = answer
    else:
        listed = answer if isinstance(answer, list) else []
        named = {str(one.get("id"))[:15]: one for one in listed if isinstance(one, dict)}
        answers = [named.get(item.identity) for item in items]
    for item, one in zip(items, answers, strict=True):
        yield item, verdict_on(item, one)


def verdict_on(item: Item, answer: Any) -> Verdict:
    """What one record's answer says about it."""
    change = item.change
    if not isinstance(answer, dict):
        return unclear(item)
    named = answer.get("id")
    if change.record_id is not None and named is not None and str(named)[:15] != item.identity:
        return unclear(item)
    if answer.get("success") is True and short_id(str(named)) is not None:
        return Outcome(change.key, "confirmed", change.record_id or str(named))
    return (from_item(answer) if answer.get("success") is False else None) or unclear(item)


def unclear(item: Item) -> Outcome:
    """The outcome of a change that an answer says nothing about."""
    return Outcome(item.change.key, "in_doubt", item.change.record_id, message="Salesforce's answer does not tell.")


def says_taken(refusal: Refusal, field: str) -> bool:
    """Whether a record was refused because another one has the same key in this field."""
    return refusal.code == TAKEN and (field in refusal.message or field in refusal.fields)


def made_before(known: Sequence[tuple[Item, Refusal]], find: Find) -> Iterator[Outcome]:
    """Tasks whose key is taken exist: the outcomes say so, with the task's id where it can be found."""
    named = {item.change.key: _TASK_ID.search(refusal.message) for item, refusal in known}
    accounts = [str(item.change.values.get("account_id")) for item, _ in known if named[item.change.key] is None]
    found: Mapping[str, str] = {}
    if accounts:
        with suppress(ConnectorError):
            found = find(list(dict.fromkeys(accounts)))
    for item, _ in known:
        told = named[item.change.key]
        task_id = told.group() if told else found.get(item.change.key)
        yield Outcome(item.change.key, "confirmed", task_id, message="It was made before.")


def _about_records(error: ConnectorError) -> bool:
    """Whether a refused call may be one record's fault, so that the others pass without it."""
    if refused_with(error, *HIDDEN, *ABSENT):
        return True
    return isinstance(error, RequestError) and not isinstance(error, NotFoundError)


def _all(items: Sequence[Item], result: Result, error: ConnectorError) -> Iterator[tuple[Item, Outcome]]:
    for item in items:
        yield item, Outcome(item.change.key, result, item.change.record_id, error.code, error.message)


class Removal(Delivery):
    """One `send` of tasks that go to the recycle bin."""

    def _post(self, items: Sequence[Item]) -> Any:
        return self.api.json(
            "DELETE",
            COLLECTIONS,
            purpose="write tasks",
            params={"ids": ",".join(str(item.change.record_id) for item in items), "allOrNone": "false"},
            repeatable=False,
        )

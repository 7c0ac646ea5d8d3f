"""New tasks with receipts: how Salesforce keeps a task from being made twice where its own key cannot be unique.

A receipt is a record of a custom object with nothing in it but the task's key, in a field that the org keeps unique.
Receipts and tasks go in one collections request that is made whole or not at all: the receipts first, since a request
may change kind only ten times. A key that is taken therefore proves that its task exists, and keeps all tasks of the
request from being made again: the known ones are confirmed and the rest is sent once more. So is the rest of a request
in which some record was refused for a reason of its own, and where nothing tells whose fault it was, it is halved.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import Outcome
from connectors.salesforce_api import Api
from connectors.salesforce_kinds import RECEIPT, RECEIPT_KEY
from connectors.salesforce_outcomes import HIDDEN, Refusal, from_item
from connectors.salesforce_send import (
    COLLECTIONS,
    HEADERS,
    LOCK_TRIES,
    LOCK_WAIT,
    Delivery,
    Find,
    Item,
    Prepare,
    Verdict,
    made_before,
    says_taken,
    unclear,
    verdict_on,
)
from connectors.salesforce_tasks import stepped_down

KEY_LENGTH = 64
"""Characters of our keys."""
PAIRS = 100
"""Most tasks in one request, each with its receipt."""
MOST_ROUNDS = 3 * PAIRS
"""Requests that one batch may come to before the rest of it waits for the next run."""

_ROLLED_BACK = frozenset({"ALL_OR_NONE_OPERATION_ROLLED_BACK", "PROCESSING_HALTED"})


def usable(about: Mapping[str, Any]) -> bool:
    """Whether receipts can be made, by Salesforce's description of their object as this user sees it."""
    fields = (one for one in about.get("fields") or () if isinstance(one, Mapping))
    key: Mapping[str, Any] = next((one for one in fields if one.get("name") == RECEIPT_KEY), {})
    length = key.get("length")
    fits = not isinstance(length, int) or length >= KEY_LENGTH
    return bool(about.get("createable", True) and key.get("unique") and key.get("createable") and fits)


class ReceiptDelivery(Delivery):
    """One `send` of new tasks, each with its receipt.

    Args:
        api: The org.
        prepare: See `Delivery`.
        rng: See `Delivery`.
        find: See `Delivery`.
        forget: Called when receipts turn out not to work: the org must be looked at again.
    """

    def __init__(self, api: Api, prepare: Prepare, rng: random.Random, find: Find, forget: Callable[[], None]) -> None:
        super().__init__(api, "task", prepare, rng, find)
        self._forget = forget
        self._blameless = False  # whether the last round was undone without a word about whose fault it was

    def by_collections(self, batch: Sequence[Item]) -> Iterator[Outcome]:
        """Send new tasks, and those again that may be sent again at once.

        Raises:
            CredentialsError, QuotaError: Only when nothing at all was sent before.
        """
        starts = range(0, len(batch), PAIRS)
        todo = [list(batch[start : start + PAIRS]) for start in reversed(starts)]
        for _ in range(MOST_ROUNDS):
            if not todo:
                return
            part = todo.pop()
            left: list[Item] = []
            yield from self._round(part, left)
            if len(left) == len(part) > 1 and self._blameless:
                middle = len(left) // 2
                todo += [left[middle:], left[:middle]]
            elif left:
                todo.append(sorted(left, key=lambda item: item.place))
        for part in todo:
            for item in part:
                yield Outcome(item.change.key, "retry", message="Other tasks of the batch kept it from being made.")

    def _round(self, part: Sequence[Item], left: list[Item]) -> Iterator[Outcome]:
        """One request; gives what is settled and puts what is to be sent again into `left`."""
        known: list[tuple[Item, Refusal]] = []
        hidden: list[tuple[Item, Refusal]] = []
        pause = 0.0
        self._blameless = True
        for item, verdict in self._once(part):
            blameless = False
            if isinstance(verdict, Outcome):
                yield verdict
            elif says_taken(verdict, RECEIPT_KEY):
                known.append((item, verdict))
            elif RECEIPT_KEY in verdict.fields or RECEIPT in verdict.message or RECEIPT_KEY in verdict.message:
                self._forget()
                yield replace(verdict.outcome(item.change), result="retry")
            elif verdict.locked and item.locks + 1 < LOCK_TRIES:
                pause = max(pause, LOCK_WAIT * 2**item.locks)
                item.locks += 1
                left.append(item)
            elif (lesser := stepped_down(item.row, item.change, verdict)) is not None:
                item.row = lesser
                left.append(item)
            elif verdict.code in HIDDEN and not self._looked_again:
                hidden.append((item, verdict))
            elif verdict.code in _ROLLED_BACK and (len(part) > 1 or not self._blameless):
                blameless = True
                left.append(item)
            else:
                yield verdict.outcome(item.change)
            self._blameless = self._blameless and blameless
        yield from made_before(known, self.find)
        outcomes, anew = self._seen_anew(hidden)
        yield from outcomes
        left += anew
        if left and pause:
            self.api.clock.sleep(pause * self._rng.uniform(0.5, 1.5))

    def _post(self, items: Sequence[Item]) -> Any:
        receipts = [{"attributes": {"type": RECEIPT}, RECEIPT_KEY: item.change.key} for item in items]
        return self.api.json(
            "POST",
            COLLECTIONS,
            purpose="write tasks",
            body={"allOrNone": True, "records": [*receipts, *(item.row for item in items)]},
            repeatable=False,
            headers=HEADERS,
        )

    def _judged(self, items: Sequence[Item], answer: Any) -> Iterator[tuple[Item, Verdict]]:
        """What an answer says: all are there, or none is. One that says something else tells nothing."""
        answers = answer if isinstance(answer, list) and len(answer) == 2 * len(items) else []
        said = {one.get("success") if isinstance(one, dict) else None for one in answers}
        if said == {True}:
            yield from ((item, verdict_on(item, one)) for item, one in zip(items, answers[len(items) :], strict=True))
        elif said == {False}:
            for item, receipt, task in zip(items, answers[: len(items)], answers[len(items) :], strict=True):
                yield item, _blame(receipt, task) or unclear(item)
        else:
            yield from ((item, unclear(item)) for item in items)


def _blame(receipt: Mapping[str, Any], task: Mapping[str, Any]) -> Refusal | None:
    """Why a pair was not made: the receipt's own reason, or else the task's. None when it does not tell."""
    of_receipt, of_task = from_item(receipt), from_item(task)
    if of_receipt is None or of_task is None:
        return None
    if of_receipt.code in _ROLLED_BACK or of_receipt.locked:
        return of_receipt if of_receipt.locked else of_task
    return replace(of_receipt, fields=(RECEIPT_KEY,))

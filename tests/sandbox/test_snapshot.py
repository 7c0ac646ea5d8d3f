"""A sandbox put back is the sandbox that it was."""

import array
import functools
import json
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import requests

from sandbox.core import HUBSPOT_TOKEN, SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox, hubspot_company_id
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.salesforce_ids import account_id
from sandbox.snapshot import Snapshot
from sandbox.world import make_world
from tests.instants import START

ROOT = "http://127.0.0.1:8642"
SALES = f"{ROOT}/salesforce/services/data/v64.0"


@pytest.fixture(scope="module")
def twelve() -> World:
    return make_world(accounts=12, now=START)


class Both:
    """Both CRMs over one world, and everything that can be seen of them."""

    def __init__(self, world: World) -> None:
        self.sandbox = Sandbox(world, vendors=("hubspot", "salesforce", "zendesk", "mixpanel"))
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(self.sandbox))
        form = {"grant_type": "client_credentials", "client_id": SALESFORCE_KEY, "client_secret": SALESFORCE_SECRET}
        token = self.session.post(f"{ROOT}/salesforce/services/oauth2/token", data=form).json()["access_token"]
        self.tokens = {"hubspot": HUBSPOT_TOKEN, "salesforce": token}
        company = next(c for c in world.companies if c.created_at <= world.now)
        self.company, self.account = hubspot_company_id(company.id), account_id(company.id)

    def ask(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        vendor = "salesforce" if "/salesforce/" in url else "hubspot"
        return self.session.request(
            method, url, headers={"Authorization": f"Bearer {self.tokens[vendor]}"}, timeout=30, **kwargs
        )

    def seen(self) -> str:
        """All that the CRMs show, without what every read changes (calls left)."""
        reads = [
            f"{ROOT}/hubspot/crm/v3/objects/companies?limit=100&properties=name,description&archived=false",
            f"{ROOT}/hubspot/crm/v3/objects/tasks?limit=100&properties=hs_task_subject&associations=companies",
            f"{ROOT}/hubspot/crm/v3/objects/tasks?archived=true",
            f"{ROOT}/hubspot/crm/v3/properties/companies",
            f"{ROOT}/hubspot/crm/v3/owners?limit=100",
            f"{SALES}/queryAll?q=SELECT+Id,Name,Description,LastModifiedById,SystemModstamp,IsDeleted+FROM+Account",
            f"{SALES}/queryAll?q=SELECT+Id,Subject,OwnerId,IsDeleted+FROM+Task",
            f"{SALES}/sobjects",
            f"{SALES}/sobjects/Account/describe",
            f"{SALES}/tooling/query?q=SELECT+DeveloperName+FROM+CustomField",
        ]
        found = [self.ask("GET", url).json() for url in reads]
        search = self.ask("POST", f"{ROOT}/hubspot/crm/v3/objects/tasks/search", json={}).json()
        return json.dumps([*found, search, self.sandbox.truth()], sort_keys=True)

    def change(self, chance: random.Random) -> None:
        """Do something, or several things, to both."""
        acts: list[Callable[[], Any]] = [
            lambda: self.sandbox.clock.advance(timedelta(seconds=chance.randint(1, 90_000))),
            lambda: self.sandbox.faults.add(Fault("status", status=500, nth=10_000)),
            lambda: self.ask("POST", f"{ROOT}/hubspot/crm/v3/objects/tasks", json=self._task()),
            lambda: self.ask(
                "PATCH",
                f"{ROOT}/hubspot/crm/v3/objects/companies/{self.company}",
                json={"properties": {"description": str(chance.random())}},
            ),
            lambda: self.ask("POST", f"{SALES}/sobjects/Task", json={"Subject": "x", "WhatId": self.account}),
            lambda: self.ask("PATCH", f"{SALES}/sobjects/Account/{self.account}", json={"Description": "changed"}),
            lambda: self.sandbox.mutate("salesforce", "create_object", name=f"N{chance.randint(1, 10**9)}__c"),
            lambda: self.sandbox.mutate(
                "salesforce", "create_field", object="Account", name=f"F{chance.randint(1, 10**9)}__c", type="double"
            ),
            lambda: self.sandbox.mutate(
                "salesforce", "flow", object="Account", when="Description", set="Phone", value="1"
            ),
            lambda: self.sandbox.mutate(
                "hubspot", "flow", object="companies", when="description", set="phone", value="1", delay=9
            ),
            lambda: self.sandbox.mutate("hubspot", "archive", object="companies", id=self.company),
            lambda: self.sandbox.mutate("salesforce", "delete", id=self.account),
            lambda: self.sandbox.mutate("hubspot", "options", search_lag=0.0),
        ]
        for act in chance.sample(acts, 7):
            try:
                act()
            except ValueError:
                continue

    def _task(self) -> dict[str, Any]:
        link = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}
        properties = {"hs_timestamp": "2026-11-23T00:00:00Z", "hs_task_subject": "Call"}
        return {"properties": properties, "associations": [{"to": {"id": str(self.company)}, "types": [link]}]}


@pytest.mark.parametrize("seed", range(6))
def test_a_sandbox_put_back_shows_what_it_showed(twelve: World, seed: int) -> None:
    chance = random.Random(seed)
    both = Both(twelve)
    first = both.sandbox.snapshot()
    before = both.seen()
    first.restore()
    both.change(chance)
    second = both.sandbox.snapshot()
    changed = both.seen()
    assert changed != before
    for kept, expected in ((first, before), (second, changed), (second, changed), (first, before)):
        kept.restore()
        assert both.seen() == expected
        kept.restore()
        both.change(chance)


def test_journal_faults_clock_and_what_is_under_way_are_part_of_it(twelve: World) -> None:
    both = Both(twelve)
    both.sandbox.faults.add(Fault("late", method="POST", effect_after_seconds=100), Fault("status", status=500, nth=2))
    with pytest.raises(requests.ReadTimeout):
        both.ask("POST", f"{SALES}/sobjects/Task", json={"Subject": "x"})
    start, calls = both.sandbox.clock.now(), both.sandbox.journal.calls()
    kept = both.sandbox.snapshot()
    for _ in range(2):
        both.sandbox.clock.advance(timedelta(seconds=200))
        assert both.sandbox.settle() == 1
        assert both.ask("GET", f"{SALES}/query?q=SELECT+COUNT()+FROM+Task").status_code == 500
        assert both.ask("GET", f"{SALES}/query?q=SELECT+COUNT()+FROM+Task").json()["totalSize"] == 1
        kept.restore()
        assert (both.sandbox.clock.now(), both.sandbox.journal.calls()) == (start, calls)
        assert len(both.sandbox.under_way) == 1


def test_it_is_put_back_in_no_time(twelve: World) -> None:
    both = Both(twelve)
    both.seen()
    kept = both.sandbox.snapshot()
    assert 100 < len(kept) < 20_000
    laps = []
    for _ in range(20):
        start = time.perf_counter()
        kept.restore()
        laps.append(time.perf_counter() - start)
    # The quickest lap: the goal is 5 ms, and what else the machine does is not the snapshot's business.
    assert min(laps) < 0.005


# ---- what can be kept ------------------------------------------------------------------------------------------------


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self) -> None:
        self.left = [1]


class OneSlot(Slotted):
    __slots__ = "only"  # noqa: PLC0205 - a single name is allowed, and has to work

    def __init__(self) -> None:
        super().__init__()
        self.only = {"a": 1}


@dataclass(frozen=True)
class Fixed:
    values: list[int]


class Root:
    def __init__(self) -> None:
        self.slotted = OneSlot()
        self.queue = deque([[1], [2]])
        self.words = {"a", "b"}
        self.numbers = array.array("q", [1, 2])
        self.matrix = np.arange(4)
        self.constant = np.arange(2)
        self.constant.flags.writeable = False
        self.chance = random.Random(3)
        self.fixed = Fixed([1])
        self.pair = ([1], 2)
        held = {"n": 1}
        self.closure: Callable[[], dict[str, int]] = lambda: held
        self.partial = functools.partial(_take, held, more=[1])
        self.method: Callable[[int], None] = self.slotted.left.append
        self.itself = self

        def recursive() -> Any:
            return recursive

        self.recursive = recursive


def _take(held: Any, *, more: Any = ()) -> tuple[Any, Any]:
    return held, more


def test_every_kind_of_state_comes_back() -> None:
    root = Root()
    inner = root.closure()
    drawn = root.chance.getstate()
    kept = Snapshot([root])
    root.slotted.left.append(2)
    root.slotted.only["b"] = 2
    root.queue[0].append(9)
    root.queue.append([3])
    root.words.clear()
    root.numbers.append(3)
    root.matrix += 5
    root.chance.random()
    root.pair[0].clear()
    inner["n"] = 2
    root.partial.keywords["more"].append(2)
    root.added = 1  # type: ignore[attr-defined]
    kept.restore()
    assert root.slotted.left == [1]
    assert root.slotted.only == {"a": 1}
    assert root.queue == deque([[1], [2]])
    assert root.words == {"a", "b"}
    assert root.numbers.tolist() == [1, 2]
    assert root.matrix.tolist() == [0, 1, 2, 3]
    assert root.chance.getstate() == drawn
    assert root.pair == ([1], 2)
    assert root.closure() is inner
    assert inner == {"n": 1}
    assert root.partial() == ({"n": 1}, [1])
    assert not hasattr(root, "added")


def test_what_never_changes_is_not_walked() -> None:
    world = {"big": [1]}
    kept = Snapshot([{"world": world}], keep=[world])
    world["big"].append(2)
    kept.restore()
    assert world == {"big": [1, 2]}

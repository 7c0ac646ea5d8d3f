"""Plans that lie in the state folder hold customers' names: they do not stay longer than they can be of use."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cli.sync import KEEP_PLANS, save_held
from sync.run_report import RunReport

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)


def test_old_plans_go_although_nothing_is_held_any_more(tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    ages = {"old.plan": KEEP_PLANS + timedelta(hours=1), "new.plan": timedelta(hours=1)}
    for name, age in ages.items():
        (plans / name).touch()
        os.utime(plans / name, ((NOW - age).timestamp(),) * 2)
    agent: Any = SimpleNamespace(store=SimpleNamespace(path=tmp_path), clock=SimpleNamespace(now=lambda: NOW))
    assert save_held(agent, RunReport(NOW)) is None
    assert [file.name for file in plans.iterdir()] == ["new.plan"]

"""What a plan says that writing to Salesforce costs, against what the org counts."""

from pathlib import Path

import pytest

from sync.plan_file import PlanFile
from sync.planner import BULK_NOTE
from tests.sync.salesforce_desk import Desk


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize(("share", "bulk"), [(0.1, False), (0.0002, True)])
def test_a_saved_plan_costs_no_more_than_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, share: float, bulk: bool, crowded: bool
) -> None:
    for module in ("salesforce", "salesforce_write", "salesforce_send"):
        monkeypatch.setattr(f"connectors.{module}.BATCH", 1)
    desk = Desk(tmp_path / "state", share=share)
    if crowded:
        desk.do("options", bulk_seconds_per_10k=300.0)
        desk.do("change_field", object="Task", field="Status", changes={"values": ["Completed", "In Progress"]})
        desk.do("hide_field", object="Task", field="Holdfast_Task_Key__c")
    report = desk.preview()
    assert report.plan is not None
    assert (BULK_NOTE in report.plan.notes) == bulk
    PlanFile(report.plan).save(tmp_path / "plan")
    desk.share = 1.0 if bulk else share
    desk.box.journal.clear()
    with desk.agent() as agent:
        done = agent.apply_saved(PlanFile.load(tmp_path / "plan").plan)
    assert done.halted is None
    assert set(done.endings) == {"confirmed"}
    paths = [entry.path for entry in desk.box.journal]
    assert any("jobs/ingest" in path for path in paths) == bulk
    assert len(paths) <= report.plan.expected_calls
    assert len(paths) > report.plan.expected_calls / 2
    assert sum(agent.crm.calls.values()) == len(paths)
    desk.share = 0.1
    again = desk.run()
    assert again is not None
    assert again.plan is not None
    assert again.plan.empty

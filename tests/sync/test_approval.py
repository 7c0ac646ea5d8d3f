"""Who vouches for a plan file: what was edited, made elsewhere, signed by nobody or too old is refused."""

import hashlib
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import approval
from sync.plan import FieldChange, Plan, PlanError, RecordChange
from sync.plan_file import Approved, PlanFile

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
DAY = 24 * 3600


def a_plan(**changes: object) -> Plan:
    record = RecordChange("account", "1", "Customer", (FieldChange("score", 1, 2),), "quiet")
    return replace(Plan(NOW, "hubspot:STANDARD:1", "c0ffee", (record,)), **changes)  # type: ignore[arg-type]  # by name


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A plan file of the agent whose state folder is beside it."""
    path = tmp_path / "a.plan"
    approval.save(a_plan(), path, tmp_path / "state")
    return path


def head(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
    return found


def rewrite(path: Path, **changes: object) -> None:
    first, _, body = path.read_text(encoding="utf-8").partition("\n")
    path.write_text(json.dumps({**json.loads(first), **changes}) + "\n" + body, encoding="utf-8")


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    first = approval.key(folder)
    assert len(first) == 32
    assert approval.key(folder) == first
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["key"]
    assert approval.key(tmp_path / "other") != first


def test_two_commands_that_need_a_key_at_once_get_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(approval.key(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_file_that_is_no_key_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"")
    with pytest.raises(PlanError, match="is not a key"):
        approval.save(a_plan(), tmp_path / "a.plan", tmp_path)


def test_a_plan_is_approved_by_name_and_stays_the_same_plan(saved: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert approval.load(saved, state).approved is None
    signed = approval.approve(saved, "Dana Ünal", state, NOW)
    again = approval.load(saved, state)
    assert again == signed
    assert again.plan == a_plan()
    assert again.approved is not None
    assert (again.approved.by, again.approved.at) == ("Dana Ünal", "2026-11-01T06:00:00+00:00")
    assert saved.stat().st_mode & 0o777 == 0o600


def test_a_plan_of_another_agent_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="was not made by this agent"):
        approval.load(saved, tmp_path / "elsewhere")
    with pytest.raises(PlanError, match="was not made by this agent"):
        approval.approve(saved, "Dana", tmp_path / "elsewhere", NOW)


def test_a_plan_written_by_hand_is_refused_even_with_the_right_hash(saved: Path, tmp_path: Path) -> None:
    seal = head(saved)["seal"]
    PlanFile(a_plan(held=(), config_hash="other")).save(saved)
    with pytest.raises(PlanError, match="was not made by this agent"):
        approval.load(saved, tmp_path / "state")
    rewrite(saved, seal=seal)
    with pytest.raises(PlanError, match="was not made by this agent"):
        approval.load(saved, tmp_path / "state")


@pytest.mark.parametrize("seal", [None, "", "0" * 64, 7, ["x"]])
def test_a_seal_that_was_made_up_is_refused(saved: Path, tmp_path: Path, seal: object) -> None:
    rewrite(saved, seal=seal)
    with pytest.raises(PlanError, match="was not made by this agent"):
        approval.load(saved, tmp_path / "state")


@pytest.mark.parametrize(
    "change", [{"by": "Mallory"}, {"at": "2026-11-02T06:00:00+00:00"}, {"signature": "0" * 64}, {"signature": "ü"}]
)
def test_an_approval_that_was_changed_is_refused(saved: Path, tmp_path: Path, change: dict[str, str]) -> None:
    signed = approval.approve(saved, "Dana", tmp_path / "state", NOW)
    assert signed.approved is not None
    replace(signed, approved=replace(signed.approved, **change)).save(saved)
    with pytest.raises(PlanError, match="its approval was not made with"):
        approval.load(saved, tmp_path / "state")


def test_an_approval_counts_for_its_own_plan_only(saved: Path, tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "b.plan"
    signed = approval.approve(saved, "Dana", state, NOW)
    approval.save(a_plan(made_at=NOW + timedelta(hours=1)), other, state)
    rewrite(other, approved=head(saved)["approved"])
    with pytest.raises(PlanError, match="its approval was not made with"):
        approval.load(other, state)
    assert approval.load(saved, state) == signed


def test_name_and_time_cannot_be_shifted_into_one_another(saved: Path, tmp_path: Path) -> None:
    signed = approval.approve(saved, 'a", "b', tmp_path / "state", NOW)
    assert signed.approved is not None
    split = Approved("a", 'b", "' + signed.approved.at, signed.approved.signature)
    replace(signed, approved=split).save(saved)
    with pytest.raises(PlanError, match="its approval"):
        approval.load(saved, tmp_path / "state")


@pytest.mark.parametrize(
    "approved", ["Dana", {"by": "Dana"}, {"by": 1, "at": "x", "signature": "y"}, [], {"by": "a", "at": "b", "x": "c"}]
)
def test_an_approval_of_the_wrong_shape_is_no_plan_file(saved: Path, approved: object) -> None:
    rewrite(saved, approved=approved)
    with pytest.raises(PlanError, match=r"a\.plan"):
        PlanFile.load(saved)


def test_another_first_line_and_another_format_are_refused(saved: Path) -> None:
    rewrite(saved, more=1)
    with pytest.raises(PlanError, match="first line was changed"):
        PlanFile.load(saved)
    old = '{"format": "holdfast-plan-1"}'
    saved.write_text(json.dumps({"hash": hashlib.sha256(old.encode()).hexdigest()}) + f"\n{old}\n")
    with pytest.raises(PlanError, match="format 'holdfast-plan-1' is not 'holdfast-plan-2'"):
        PlanFile.load(saved)


@given(st.data())
def test_no_changed_byte_gets_past_a_signed_plan(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("signed")
    path = folder / "a.plan"
    approval.save(a_plan(held=("many accounts",)), path, folder)
    approval.approve(path, "Dana", folder, NOW)
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 2))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    path.write_bytes(content[:at] + bytes([new]) + content[at + 1 :])
    try:
        found = approval.load(path, folder)
    except PlanError:
        return
    # White space between the parts of the first line is all that may differ.
    assert found.plan == a_plan(held=("many accounts",))
    assert found.approved is not None
    assert found.approved.by == "Dana"


def current(plan: Plan, **changes: object) -> None:
    settings: dict[str, object] = {
        "config_hash": "c0ffee",
        "environment": "hubspot:STANDARD:1",
        "max_age": DAY,
        "now": NOW + timedelta(hours=1),
        **changes,
    }
    approval.require_current(plan, **settings)  # type: ignore[arg-type]  # by name


def test_a_plan_is_good_for_its_time_its_settings_and_its_crm() -> None:
    current(a_plan())
    current(a_plan(), now=NOW + timedelta(seconds=DAY))
    current(a_plan(), environment=None)
    current(a_plan(), now=NOW - timedelta(minutes=5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"now": NOW + timedelta(seconds=DAY + 1)}, r"stale: .* 24 h ago, .* for 24 h .*plan_max_age"),
        ({"max_age": 1800}, r"stale: .* 1 h ago, .* for 0 h 30 min"),
        ({"config_hash": "other"}, "settings have changed"),
        ({"environment": "hubspot:SANDBOX:2"}, "made for hubspot:STANDARD:1, but this CRM is hubspot:SANDBOX:2"),
        ({"now": NOW - timedelta(minutes=6)}, "still to come"),
    ],
)
def test_what_is_stale_or_foreign_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        current(a_plan(), **changes)


def test_a_plan_keeps_the_age_it_was_made_with() -> None:
    with pytest.raises(PlanError, match="stale"):
        current(a_plan(max_age=60), now=NOW + timedelta(seconds=61))


def test_who_must_allow_what() -> None:
    approval.require_allowed(a_plan(), "", only_approved=False)
    approval.require_allowed(a_plan(), "Dana", only_approved=True)
    approval.require_allowed(a_plan(held=("63 of 300",)), "Dana", only_approved=True)
    with pytest.raises(PlanError, match="not approved"):
        approval.require_allowed(a_plan(), "", only_approved=True)
    with pytest.raises(approval.HeldError, match="63 of 300"):
        approval.require_allowed(a_plan(held=("63 of 300",)), "", only_approved=False)

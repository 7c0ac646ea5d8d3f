"""What people see: lines that stay lines, whatever a vendor sends."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.output import Output, _Console, ago, clean, count, plain, styled
from cli.plan_view import show_plan
from cli.progress import Watch
from cli.pull_view import _one, show_pulls
from cli.run_view import code_of, show_applied
from connectors.registry import VENDORS
from mapping.fields import FieldMap, vendors
from sync.apply import Applied, Ending
from sync.plan import FieldChange, HumanEdit, Plan, RecordChange, TaskChange
from sync.pull import PullProgress
from sync.reports import PullReport
from sync.run_report import RunReport

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOSTILE = "Ann\n\x1b[2J\x07\u202egpj.exe\u2066\ud800[bold]x[/bold]\r\u2028" + "y" * 5000


def on_terminal(out: Output) -> io.StringIO:
    """Let it believe that a person watches."""
    screen = io.StringIO()
    out.console = out.errors = _Console(file=screen, force_terminal=True, width=100, soft_wrap=True, highlight=False)
    return screen


def hostile_plan() -> Plan:
    record = RecordChange("account", "1", HOSTILE, (FieldChange("score", HOSTILE, 5),), HOSTILE)
    task = TaskChange("k", "1", HOSTILE, "rescue", HOSTILE, HOSTILE, NOW, "high", "7", HOSTILE, HOSTILE)
    stray = TaskChange("l", "2", "Elsewhere", "rescue", "Call", "Body", NOW, "high", None, "nobody", "why")
    edit = HumanEdit("account", "1", HOSTILE, "score", 1, HOSTILE, 2)
    return Plan(NOW, "hubspot:STANDARD:1", "hash", (record,), (task, stray), (edit,), 3, (HOSTILE,))


@pytest.mark.parametrize("terminal", [True, False])
def test_no_text_of_a_vendor_breaks_a_line(capsys: pytest.CaptureFixture[str], *, terminal: bool) -> None:
    out = Output()
    screen = on_terminal(out) if terminal else None
    show_plan(out, hostile_plan(), full=True)
    out.warn(HOSTILE)
    out.fail(HOSTILE)
    out.heading(HOSTILE)
    said = capsys.readouterr()
    text = screen.getvalue() if screen else said.out + said.err
    assert not {"\x07", "\u202e", "\u2066", "\ud800", "\r", "\u2028"} & set(text)
    assert "\x1b[2J" not in text
    assert "[bold]x[/bold]" in text
    assert "2J gpj.exe" in text
    assert max(map(len, text.split("\n"))) < 2500
    assert "Elsewhere" in text
    assert "why" in text


def test_text_is_cut_with_a_mark_and_ordinary_text_stays() -> None:
    assert clean("Åkeri Öst שלום 東京 👩‍🚀") == "Åkeri Öst שלום 東京 👩 🚀"
    assert clean("x" * 1000) == "x" * 399 + "…"
    assert styled("a\nb", ("c\x00", "red")).plain == "a bc "


def test_a_table_elsewhere_than_on_a_terminal_has_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("id", "name", "why"), [("1", "東京", "w" * 300), ("20", "Ann\nB", "")])
    assert capsys.readouterr().out == f"id  name   why\n1   東京   {'w' * 300}\n20  Ann B\n"


def test_no_word_is_broken_where_a_table_is_too_wide_what_does_not_fit_goes_below_its_row() -> None:
    out = Output()
    screen = on_terminal(out)
    out.console.width = 40
    columns = ("playbook", "unsatisfied", "commercial", "overdue", "", "meaning of it")
    out.table(columns, [("check_in", "1", "0", "2", "so", "what " * 12), ("rescue", "3", "4", "0", "", "-")])
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in screen.getvalue().splitlines()]
    assert lines[:2] == ["playbook  unsatisfied  commercial", "check_in  1            0"]
    assert lines[2:4] == ["    overdue: 2; so; meaning of it:", "        what what what what what what"]
    assert lines[-1] == "rescue    3            4"
    assert max(map(len, lines)) <= 40
    narrow = "".join(lines)
    assert narrow.count("what") == 12


def test_a_table_on_a_terminal_folds() -> None:
    out = Output()
    screen = on_terminal(out)
    out.table(("id", "why"), [("1", "word " * 60)])
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in screen.getvalue().splitlines()]
    assert max(map(len, lines)) <= 100
    assert len(lines) > 3


def test_json_leaves_standard_output_to_the_object(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.line("for people")
    out.json({"at": NOW, "path": Path("x"), "name": "Åkeri \ud800", "set": {1}, "edit": hostile_plan().kept[0]})
    said = capsys.readouterr()
    assert json.loads(said.out)["at"] == "2026-11-01T00:00:00+00:00"
    assert said.err == "for people\n"


def test_bars_come_and_go() -> None:
    out = Output()
    on_terminal(out)
    with out.progress() as progress:
        assert progress is not None
        watch = Watch(out, progress)
        watch.phase("pull")
        watch.pull(PullProgress("hubspot", "contacts", 100, 5.0))
        watch.pull(PullProgress("hubspot", "contacts", 200, 5.0))
        (task,) = progress.tasks
        assert (task.description, task.completed) == ("hubspot contacts", 200)
        assert "200" in progress.columns[-1](task).plain  # type: ignore[operator, union-attr]  # the column of our own
        watch.pull(PullProgress("hubspot", "contacts", 250, 5.0, done=True))
        watch.pull(PullProgress("hubspot", "owners", 0, 0.0, done=True))
        assert progress.tasks == []


def test_on_a_terminal_a_long_plan_is_cut_and_full_shows_all() -> None:
    records = tuple(RecordChange("contact", str(n), f"P{n}", (FieldChange("a", None, 1),), "") for n in range(30))
    plan = Plan(NOW, "e", "h", records, (), (), 1)
    shown = []
    for full in (False, True):
        out = Output()
        screen = on_terminal(out)
        show_plan(out, plan, full=full)
        shown.append(screen.getvalue())
    assert "… and 10 more accounts: --full shows all." in shown[0]
    assert "P29" not in shown[0]
    assert "P29" in shown[1]


def test_words_for_numbers_and_ages() -> None:
    assert [count(1, "task"), count(1234, "task")] == ["1 task", "1,234 tasks"]
    assert [count(1, "company"), count(2, "company"), count(0, "survey")] == ["1 company", "2 companies", "0 surveys"]
    assert ago(None, NOW) == "never"
    assert [ago(datetime(2026, 10, 31, 20, tzinfo=UTC), NOW), ago(NOW, NOW)] == ["4 h ago", "0 s ago"]
    assert plain([NOW.date()]) == ["2026-11-01"]


def test_one_long_cell_does_not_push_the_others_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("name", "why"), [("Acme", "short"), ("x" * 200, "long"), ("Lind", "short")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].index("why") == lines[1].index("short") == lines[3].index("short") == 42
    assert lines[2] == "x" * 200 + "  long"


@pytest.mark.parametrize(
    ("classes", "code"), [(["DoubtError"], 5), (["DoubtError", ""], 5), (["DoubtError", "TransportError"], 1)]
)
def test_a_source_that_is_not_believed_is_not_one_that_failed(classes: list[str], code: int) -> None:
    pulls = [PullReport("mixpanel", f"stream{at}", "usage") for at in range(len(classes))]
    for pull, name in zip(pulls, classes, strict=True):
        pull.ending, pull.error_class = "failed", name
    assert code_of(RunReport(as_of=datetime(2026, 11, 1, tzinfo=UTC), pulls=pulls)) == code


@pytest.mark.parametrize(
    ("stream", "rows", "said"),
    [
        ("organizations", 1, "1 organization"),
        ("companies", 1, "1 company"),
        ("companies", 12, "12 companies"),
        ("organization_memberships", 2, "2 organization memberships"),
        ("cases", 1, "1 case"),
    ],
)
def test_rows_are_counted_in_words(stream: str, rows: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = RunReport(NOW, pulls=[PullReport("desk", stream, "account", rows=rows, ending="ok")])
    show_pulls(Output(), report)
    assert capsys.readouterr().out == f"desk: {said}\n"


def test_every_stream_is_named_in_the_plural() -> None:
    for vendor in sorted(VENDORS.keys() & vendors()):
        for name in FieldMap.load(vendor).streams:
            assert count(2, _one(name)) == f"2 {name.replace('_', ' ')}", name


def test_changes_that_ended_in_the_same_words_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def ended(number: int, result: Ending, words: str) -> Applied:
        return Applied(RecordChange("contact", str(number), f"Kim {number}", (), "Why."), result, words)

    applied = [*(ended(number, "retry", "Try later.") for number in range(40)), ended(40, "rejected", "No.")]
    plan = Plan(NOW, "hubspot:STANDARD:1", "hash", (RecordChange("contact", "1", "Kim", (), "Why."),))
    show_applied(Output(), RunReport(NOW, plan=plan, applied=applied))
    assert capsys.readouterr().err.splitlines() == [
        "warning: 40 contacts (Kim 0, Kim 1, Kim 2, …): retry: Try later.",
        "warning: Kim 40: rejected: No.",
    ]

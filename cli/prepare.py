"""`check` and `setup`: is everything in place, and putting it there."""

import sqlite3
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import click

from cli.app import Wiring, common, wire
from cli.doctor import examine
from cli.doctor_words import ADVICE, MEANS, where
from cli.errors import CONFLICTS, CREDENTIALS, ERROR, OK
from cli.output import Output, count
from connectors.base import FieldDiff, Finding, Source
from connectors.errors import ConnectorError, CredentialsError, MissingPermissionError, NotFoundError
from scoring.lint import lint
from sync import accountable
from sync.accountable import Answerable
from sync.overview import MatchRate, match_rates, match_rules
from sync.store import Store, StoreError

GOOD_SHARE = 80
"""Percent of records that count for somebody in the CRM under which identities deserve a look."""

NO_SUCH_PAGE = "Nothing of this vendor answers there: see base_url in this source's settings."
"""Advice where already the question who we are is answered with 404."""

OTHER_NAME = "Change the field in the CRM, or give ours another name in writeback.fields."

NO_ANSWER = {"credentials", "unreachable"}
"""Findings after which asking the same vendor for more would only take time and bring the same again."""

MARKS = {"ok": ("✓", "green"), "info": ("·", "dim"), "warning": ("!", "yellow"), "error": ("✗", "red")}


@click.command()
@common
def check(config: Path, out: Output) -> int:
    """Say who we are at each vendor, what is missing, how good the data is, and what to do about each finding.

    Reads only. docs/check.md explains every finding and the pass mark for data. Exit code 3 when a vendor does not know
    us or a right is missing.

    Example: holdfast check
    """
    wiring = wire(config)
    findings: dict[str, list[Finding]] = {}
    for source, _ in wiring.sources:
        findings[source.name] = _ask(source)
    if not any(item.code in NO_ANSWER for item in findings[wiring.crm.name]):
        findings[wiring.crm.name] += _fields(wiring)
    findings["scorecard"] = [
        Finding("warning", "scorecard", str(one), "See docs/scoring.md.")
        for one in lint(wiring.card, [name for name, users in wiring.policy.team.roles.items() if users])
    ] or [Finding("ok", "scorecard", f"{wiring.card.name}: every band has a playbook, every signal an intervention.")]
    findings |= _state(wiring)
    for name, items in findings.items():
        out.heading(name)
        for item in items:
            mark, style = MARKS[item.severity]
            out.item(f"{mark} {item.message}", 2, style=style if item.severity != "ok" else None)
            if item.severity in ADVICE and item.code in MEANS:
                out.item(f"{MEANS[item.code]} ({where(item.code)})", 4, style="dim")
            if item.advice:
                out.item(item.advice, 4, style="dim")
    everything = [item for items in findings.values() for item in items]
    errors = [item for item in everything if item.severity == "error"]
    warnings = sum(item.severity == "warning" for item in everything)
    out.line()
    out.line(f"{count(len(errors), 'error')}, {count(warnings, 'warning')}.", style="bold")
    if out.as_json:
        out.json({name: [_plain(item) for item in items] for name, items in findings.items()})
    if any(item.code in {"credentials", "missing_scope", "missing_permission"} for item in errors):
        return CREDENTIALS
    return ERROR if errors else OK


def _plain(item: Finding) -> dict[str, str]:
    """A finding for `--json`: also what it means, and where that is written."""
    known = item.code in MEANS
    return {**asdict(item), "means": MEANS[item.code] if known else "", "docs": where(item.code) if known else ""}


def _ask(source: Source) -> list[Finding]:
    try:
        return list(source.check())
    except CredentialsError as error:
        return [Finding("error", "credentials", error.message, error.advice)]
    except MissingPermissionError as error:
        return [Finding("error", "missing_permission", error.message, error.advice)]
    except NotFoundError as error:
        return [Finding("error", "unreachable", error.message, NO_SUCH_PAGE)]
    except ConnectorError as error:
        return [Finding("error", "unreachable", error.message, error.advice)]


def _fields(wiring: Wiring) -> list[Finding]:
    """Our own fields in the CRM."""
    try:
        diffs = wiring.crm.setup(wiring.specs, dry_run=True)
    except ConnectorError as error:
        return [Finding("error", "fields", f"Our fields could not be checked: {error.message}", error.advice)]
    needed = [diff for diff in diffs if not diff.spec.optional]
    missing = [diff for diff in needed if diff.action in {"create", "add_options"} and not _shut(diff)]
    shut = [diff for diff in needed if _shut(diff)]
    conflicts = [diff for diff in needed if diff.action == "conflict"]
    findings = [
        Finding("error", "field_conflict", f"Field {diff.spec.name}: {diff.detail}", OTHER_NAME) for diff in conflicts
    ]
    if missing:
        names = ", ".join(diff.spec.name for diff in missing)
        findings.append(
            Finding("warning", "missing_fields", f"Fields to create or extend: {names}.", "Run: holdfast setup")
        )
    if shut:
        names = ", ".join(f"{diff.spec.name} ({diff.detail})" for diff in shut)
        advice = "Run: holdfast setup, or grant read and edit on them in field-level security."
        findings.append(Finding("error", "missing_permission", f"Fields that we cannot fill: {names}.", advice))
    if not findings:
        findings.append(Finding("ok", "fields", f"All {len(needed)} fields of ours are there."))
    for diff in diffs:
        if diff.spec.optional and diff.action != "ok":
            text = (
                f"Field {diff.spec.name} would be of use{f': {diff.detail}' if diff.detail else ' but is not there'}."
            )
            findings.append(Finding("info", "optional_field", text, "holdfast setup creates it where it may."))
    return findings


def _state(wiring: Wiring) -> dict[str, list[Finding]]:
    """The state file, how well identities match, and what else `doctor.examine` finds in it."""
    folder = wiring.config.state_dir
    if not (folder / "state.db").exists():
        nothing = Finding("info", "no_state", f"{folder}: nothing stored yet.", "Run: holdfast sync --dry-run")
        return {"state": [nothing, *accountable.of_settings(_answerable(wiring))]}
    try:
        store = Store.open(folder, readonly=True)
    except StoreError as error:
        return {"state": [Finding("error", "state", str(error))]}
    try:
        findings = [Finding("ok", "state", f"{store.file} opens.")]
        findings += accountable.findings(store, _answerable(wiring))
        names = {source.name for source, _ in wiring.sources}
        findings += [_match(rate) for rate in match_rates(store, crm=wiring.crm.name) if rate.source in names]
        findings += [Finding("info", "identity_rule", text) for text in _rules(match_rules(store), names)]
        for name in sorted({stream.source for stream in store.status()} - names):
            text = f"{name}: not in the config any more; what was read of it is kept and not used."
            findings.append(Finding("info", "unused_source", text))
        return {"state": findings, **examine(wiring, store)}
    except (StoreError, sqlite3.Error) as error:
        return {"state": [Finding("error", "state", str(error), "`holdfast state check` says more.")]}
    finally:
        store.close()


def _answerable(wiring: Wiring) -> Answerable:
    policy = wiring.policy
    return Answerable(wiring.crm.name, policy.team, policy.fallback_owner, policy.tasks)


def _match(rate: MatchRate) -> Finding:
    share = 100 * rate.linked // rate.total if rate.total else 100
    good = rate.linked + rate.homed >= rate.total * GOOD_SHARE / 100
    text = f"{rate.source}: {rate.linked:,} of {count(rate.total, rate.kind)} linked to the CRM ({share} %)"
    more = f"; {rate.homed:,} more are not in it, but their accounts are" if rate.homed else ""
    return Finding(
        "ok" if good else "warning",
        "identity",
        f"{text}{more}.",
        "" if good else "docs/identity.md says how to help; `holdfast status` lists what is ambiguous.",
    )


def _rules(rules: Iterable[tuple[str, str, str, int]], names: AbstractSet[str]) -> Iterator[str]:
    """By which rules a source's records were matched: a line for each source and kind, the commonest rule first."""
    for (source, kind), group in groupby(rules, key=lambda one: one[:2]):
        if source in names:
            by = ", ".join(f"{number:,} by {rule}" for _, _, rule, number in group)
            yield f"{source}: {kind} links: {by}."


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be created.")
@click.option(
    "--files",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, allow_dash=True),
    help="Write the fields as files into a folder, for deployment by your own means, and ask nobody; - prints them.",
)
@common
def setup(config: Path, out: Output, folder: Path | None, *, dry_run: bool) -> int:
    """Create the agent's own fields in the CRM; what is there already is compared, never replaced.

    Example: holdfast setup --dry-run
    """
    wiring = wire(config)
    if folder is not None:
        return _files(out, wiring, folder)
    diffs = wiring.crm.setup(wiring.specs, dry_run=dry_run)
    _show(out, diffs, dry_run=dry_run)
    if out.as_json:
        out.json({"dry_run": dry_run, "fields": diffs})
    return CONFLICTS if any(diff.action == "conflict" and not diff.spec.optional for diff in diffs) else OK


def _files(out: Output, wiring: Wiring, folder: Path) -> int:
    """The fields as the CRM's own tools take them."""
    files = wiring.crm.setup_files(wiring.specs)
    for name, text in files.items():
        if str(folder) == "-":
            out.line(f"==> {name} <==", style="bold")
            for line in text.splitlines():
                out.line(line)
        else:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            out.line(f"  {file}")
    out.line(f"{count(len(files), 'file')}; nothing was asked of the CRM.", style="bold")
    if out.as_json:
        out.json({"files": dict(files) if str(folder) == "-" else sorted(str(folder / name) for name in files)})
    return OK


def _shut(diff: FieldDiff) -> str:
    """A field that is there but not for us needs only a right."""
    return "grant" if diff.action == "create" and diff.detail else ""


def _detail(diff: FieldDiff, *, dry_run: bool) -> str:
    """What is left to say: of a field that has just been granted, nothing."""
    return "" if _shut(diff) and not dry_run else diff.detail


def _show(out: Output, diffs: list[FieldDiff], *, dry_run: bool) -> None:
    did = {
        "create": "would be created" if dry_run else "created",
        "grant": "would be granted" if dry_run else "granted",
        "ok": "is there",
        "add_options": "would get options" if dry_run else "got options",
        "conflict": "differs",
    }
    rows = [
        (d.spec.name, d.spec.object, d.spec.type, did[_shut(d) or d.action], _detail(d, dry_run=dry_run)) for d in diffs
    ]
    out.table(("field", "on", "type", "", ""), rows)
    changed = sum(diff.action in {"create", "add_options"} for diff in diffs)
    verb = "to create or extend" if dry_run else "created or extended"
    out.line()
    out.line(
        f"{count(changed, 'field')} {verb}, {count(len(diffs) - changed, 'field')} left as they are.", style="bold"
    )

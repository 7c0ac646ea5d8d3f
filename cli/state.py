"""`state` and `forget`: look after what the agent remembers."""

from pathlib import Path
from typing import Any

import click

from cli.app import agent_at_work, common, current_clock
from cli.config import load
from cli.errors import ERROR, OK, USAGE, CommandError
from cli.look import require_state
from cli.output import Output, ago, count
from connectors.base import Clock
from sync import backup
from sync.adopt import Adopted, take_over
from sync.forget import UnknownPersonError
from sync.forget import forget as forget_person
from sync.integrity import accept as accept_as_is
from sync.integrity import begin_work, examine
from sync.lock import run_lock
from sync.run_report import RunReport
from sync.store import Store


@click.group()
def state() -> None:
    """Look after what the agent remembers: check it, copy it, put a copy back, rebuild it from the CRM."""


@state.command()
@click.option("--accept", is_flag=True, help="Take the file for what it is, when nothing else is wrong with it.")
@common
def check(config: Path, out: Output, *, accept: bool) -> int:
    """Say whether state file, ledger and copies are whole. Reads every page; changes nothing; exit 1 when not.

    With --accept a file that somebody changed on purpose, or whose log is gone, is taken for what it is, if SQLite and
    the ledger find nothing else wrong.

    Example: holdfast state check
    """
    folder, clock = require_state(config), current_clock()
    if accept:
        with run_lock(folder):
            if rest := accept_as_is(folder):
                raise CommandError(f"the file cannot be taken for what it is: {rest[0]}")
        out.line("The file is taken for what it is.")
    found = examine(folder)
    for problem in found.problems:
        out.fail(problem)
    if found.problems:
        out.line("Nothing is written until this is put right: holdfast state restore", style="bold")
    else:
        out.line("State and ledger are whole.", style="green")
    out.heading("Copies")
    rows = [(copy.path.name, _age(copy, clock), f"{copy.bytes:,}", why or "whole") for copy, why in found.copies]
    out.table(("copy", "made", "bytes", ""), rows or [("none", "", "", "")])
    if out.as_json:
        copies = [{"path": c.path, "made": c.made, "bytes": c.bytes, "problem": why} for c, why in found.copies]
        out.json({"whole": not found.problems, "problems": found.problems, "copies": copies})
    return ERROR if found.problems else OK


def _age(copy: backup.Copy, clock: Clock) -> str:
    return ago(copy.made, clock.now()) if copy.made else "before a conversion"


@state.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@common
def backup_(config: Path, out: Output, *, file: Path | None) -> int:
    """Copy the state file now, also while the agent works. Without FILE into the folder of copies, which keeps 7.

    Usage files are not copied: after a restore their events are read again where they are missing.

    Example: holdfast state backup /mnt/safe/holdfast.db
    """
    folder, clock = require_state(config), current_clock()
    if file is not None and file.exists():
        raise CommandError(f"{file}: is there already; name another file.", USAGE)
    store = Store.open(folder)
    try:
        made = backup.copy_to(store, file) if file is not None else backup.copy_now(store, clock.now())
    finally:
        store.close()
    size = made.stat().st_size
    out.line(f"Copied to {made} ({size:,} bytes).")
    if out.as_json:
        out.json({"path": made, "bytes": size})
    return OK


@state.command()
@click.argument("copy", type=click.Path(path_type=Path, dir_okay=False), required=False)
@common
def restore(config: Path, out: Output, *, copy: Path | None) -> int:
    """Put a copy in the place of the state file; what was there is kept aside. Without COPY the newest whole one.

    A state that is whole is only replaced by a COPY that is named. What the agent wrote after the copy was made it
    takes over from the CRM on its next run, so that nothing is written twice.

    Example: holdfast state restore
    """
    folder, clock = load(config).state_dir, current_clock()
    with run_lock(folder):
        if copy is None and (folder / "state.db").exists() and not examine(folder).problems:
            raise CommandError("the state is whole; to go back all the same, name the copy.", USAGE)
        chosen = _copy(folder, copy)
        done = backup.restore(folder, chosen, clock.now())
    made = f", made {done.made:%Y-%m-%d %H:%M} UTC" if done.made else ""
    out.line(f"{chosen}{made}, is the state now.")
    if done.aside:
        out.line(f"What was there lies in {done.aside}; remove it once it is of no use.")
    out.line("The next run takes over from the CRM what was written since.")
    if out.as_json:
        out.json({"copy": chosen, "made": done.made, "aside": done.aside})
    return OK


def _copy(folder: Path, named: Path | None) -> Path:
    """The copy meant: a path, or a name in the folder of copies."""
    if named is None:
        return backup.newest_sound(folder)
    within = folder / "copies" / named.name
    return within if not named.exists() and within.exists() else named


@state.command()
@common
def adopt(config: Path, out: Output) -> int:
    """Read the CRM, and take our fields, bands and tasks there for what this state last wrote.

    Writes nothing to the CRM. A run does this by itself when the state is empty or older than the CRM shows. The
    command does it whatever the state says: somebody's edits of our fields count as ours afterwards.

    Example: holdfast state adopt
    """
    with agent_at_work(config, out) as agent:
        report = RunReport(agent.clock.now())
        run_id = agent.ledger.start_run("adopt", agent.clock.now())
        ending = "failed"
        try:
            agent.pull(report)
            take_over(agent, report, run_id, everything=True)
            ending = "blocked" if report.blocked else "done"
        finally:
            agent.ledger.end_run(run_id, ending, {}, agent.clock.now())
    if report.blocked:
        raise CommandError(report.blocked)
    out.line(_told(report.adopted))
    if out.as_json:
        out.json({"adopted": report.adopted})
    return OK


def _told(adopted: Adopted | None) -> str:
    if adopted is None or not (adopted.accounts or adopted.contacts):
        return "The CRM shows nothing of ours."
    return str(adopted)


@click.command()
@click.argument("person", metavar="ID")
@common
def forget(config: Path, out: Output, *, person: str) -> int:
    """Take a person out of everything that is stored. ID is a contact's id, SOURCE:ID, or an e-mail address.

    The records that were matched with one contact go together. Usage, history, quarantined rows, saved plans that name
    them and every copy of the state go too; the ledger keeps its lines without their values. No source brings the
    person back, except the CRM when it lists them as a contact: remove them there first.

    Example: holdfast forget ann@example.com
    """
    folder, clock = require_state(config), current_clock()
    crm = load(config).crm.name
    with run_lock(folder):
        store = Store.open(folder, locked=True)
        try:
            begin_work(store, clock.now(), out.warn)
            done = forget_person(store, person, clock.now(), crm=crm)
        except UnknownPersonError as error:
            raise CommandError(f"{error}.", USAGE) from None
        finally:
            store.close()
    names = ", ".join(f"{source} {source_id}" for source, source_id in done.records)
    out.line(f"Forgotten: {names}.", style="bold")
    out.line(
        f"{count(done.rows, 'row')} removed or emptied, {count(done.operations, 'line')} of the ledger emptied, "
        f"{count(done.usage_files, 'usage file')} written anew, {count(done.files, 'other file')} removed."
    )
    if done.copies:
        out.line(f"The copies of the state ({done.copies}) held the person: they are removed, and one is made anew.")
    if done.listed:
        out.warn(
            f"{crm} listed them as a contact when it was last read: delete them there, or a pull brings them back."
        )
    if out.as_json:
        out.json(_forgot(done))
    return OK


def _forgot(done: Any) -> dict[str, Any]:
    return {
        "records": [{"source": source, "id": source_id} for source, source_id in done.records],
        "rows": done.rows,
        "operations": done.operations,
        "usage_files": done.usage_files,
        "copies": done.copies,
        "files": done.files,
        "still_in_crm": done.listed,
    }

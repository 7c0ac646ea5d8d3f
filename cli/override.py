"""`override`: a person's word on an account's band, with a reason and an end, written where people see it."""

import getpass
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack

import click
from rich.text import Text

from cli.app import agent_at_work, stop_after, stop_on_signals
from cli.common import common, current_clock, reading
from cli.config import Config, load
from cli.errors import OK, USAGE, CommandError
from cli.look import find_account, held_names, require_state
from cli.output import Output, band, count, styled
from cli.progress import watched
from cli.run_view import Shown, finish
from cli.sync import plan_path, save_held
from connectors.base import Value
from connectors.outside import known_vendor
from scoring.inputs import ScoreRow
from scoring.overrides import Override, Refused
from sync import approval, baseline
from sync.overriding import Asked
from sync.owned import OwnedFieldError
from sync.people import BAND, REASON, UNTIL, Word, people_fields, words
from sync.store import Store

LONGEST = 255


class _Said(TypedDict):
    """What the options say."""

    band: str | None
    hold: bool
    clear: bool
    until: datetime | None
    reason: str | None
    by: str | None


@click.command()
@click.argument("account", required=False)
@click.option("--band", type=click.Choice(["green", "yellow", "red"]), help="The band that holds, whatever the score.")
@click.option("--hold", is_flag=True, help="Keep the band as it is, and start no task: for a known event.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it holds (UTC); required.")
@click.option("--reason", help="Why; required.")
@click.option("--by", help="Who says so; left out: the name you are logged in with.")
@click.option("--clear", is_flag=True, help="Take an override back.")
@click.option("--list", "listing", is_flag=True, help="List every override, as of the last time the CRM was read.")
@click.option("--dry-run", is_flag=True, help="Show old and new values; write nothing.")
@common
def override(
    config: Path, out: Output, *, account: str | None, listing: bool, dry_run: bool, **said: Unpack[_Said]
) -> int:
    """Set the band of ACCOUNT (a CRM id or a name, or part of it) until a day, with a reason; the computed score stays.

    The same can be done in the CRM, in the fields "Health override". The next run applies it.

    Example: holdfast override "Acme GmbH" --band green --until 2026-12-01 --reason "renewal is signed"
    """
    if listing:
        return _list(config, out)
    if account is None:
        raise CommandError("name an account, by its CRM id or its name; or --list.", USAGE)
    values = _values(said)
    settings = load(config)
    require_state(config)
    only_approved = settings.writeback.policy == "approve"
    with agent_at_work(config, out) as agent:
        if baseline.stand(agent.store).due:
            raise CommandError("nothing was written into this CRM yet; start with `holdfast sync --initial`.")
        row = find_account(
            list(agent.store.latest_scores("account")),
            account,
            lambda: held_names(agent.store, agent.crm.name),
            part=True,
        )
        asked = Asked(row.crm_id, row.name or row.crm_id, values)
        out.line(_stands(row))
        with stop_on_signals(agent.stop.set), stop_after(settings.run.deadline, agent.stop):
            try:
                report = watched(agent, out, lambda: agent.override(asked, dry_run=dry_run or only_approved))
            except (OwnedFieldError, LookupError) as error:
                raise CommandError(f"{error}.") from None
        file = None if dry_run else save_held(agent, report)
        if only_approved and not dry_run and file is None and report.plan is not None:
            file = plan_path(agent, report.plan)
            approval.save(report.plan, file, agent.store.path)
        return finish(agent, report, out, Shown(dry_run or only_approved, full=True, file=file))


def _values(said: _Said) -> dict[str, Value]:
    """What to write.

    Raises:
        CommandError: Reason or end date is missing, or the options do not go together.
    """
    if sum((said["band"] is not None, said["hold"], said["clear"])) != 1:
        raise CommandError("say one of --band, --hold and --clear.", USAGE)
    if said["clear"]:
        return {BAND: None, UNTIL: None, REASON: None}
    reason = " ".join((said["reason"] or "").split())
    until = said["until"]
    if not reason:
        raise CommandError("an override needs a reason: --reason TEXT.", USAGE)
    if until is None:
        raise CommandError("an override needs an end date: --until YYYY-MM-DD.", USAGE)
    today = current_clock().now().date()
    if until.date() < today:
        raise CommandError(f"--until {until.date()} lies in the past; today is {today} (UTC).", USAGE)
    reason = f"{reason} ({_name(said['by'])})"
    if len(reason) > LONGEST:
        raise CommandError(f"the reason is longer than {LONGEST} characters, the name included.", USAGE)
    return {BAND: "hold" if said["hold"] else said["band"], UNTIL: until.date(), REASON: reason}


def _name(by: str | None) -> str:
    try:
        return by.strip() if by and by.strip() else getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for us
        raise CommandError("say who says so: --by NAME.", USAGE) from None


def _stands(row: ScoreRow) -> Text:
    """How the account stands now."""
    score = "no score" if row.score is None else f"score {row.score}"
    beside = f", {row.computed} by itself" if row.computed != row.band else ""
    return styled((row.name or row.crm_id, "bold"), (f"  {row.crm_id}", "dim"), f"  {score}, {row.band}{beside}")


# -- what there is ----------------------------------------------------------------------------------------------------


def _words(settings: Config, store: Store) -> list[Word]:
    fields = people_fields(settings.writeback.fields, known_vendor(settings.crm.type).own_field)
    return list(words(store, settings.crm.name, fields, current_clock().now()))


def _list(config: Path, out: Output) -> int:
    with reading(config) as stored:
        said = [word for word in _words(stored.config, stored.store) if word.override is not None]
        rows = {row.crm_id: row for row in stored.store.latest_scores("account")}
    out.table(
        ("account", "id", "override", "until", "band", "score", "why"),
        [_line(word, rows.get(word.crm_id)) for word in said] or [("none", "", "", "", "", "", "")],
    )
    left = sum(isinstance(word.override, Refused) for word in said)
    if left:
        out.line(f"{count(left, 'override')} not applied.", style="yellow")
    if out.as_json:
        out.json({"overrides": [_plain(word, rows) for word in said]})
    return OK


def _line(word: Word, row: ScoreRow | None) -> tuple[str | Text, ...]:
    score = "-" if row is None or row.score is None else str(row.score)
    beside = "" if row is None else band(row.computed)
    if isinstance(word.override, Override):
        one = word.override
        return word.name, word.crm_id, one.band, str(one.until), beside, score, one.reason
    return word.name, word.crm_id, "not applied", "", beside, score, word.override.why if word.override else ""


def _plain(word: Word, rows: Mapping[str, ScoreRow]) -> dict[str, object]:
    row = rows.get(word.crm_id)
    applied = word.override if isinstance(word.override, Override) else None
    return {
        "crm_id": word.crm_id,
        "name": word.name,
        "applied": applied is not None,
        "band": applied.band if applied else None,
        "until": applied.until if applied else None,
        "reason": applied.reason if applied else None,
        "why_not": word.override.why if isinstance(word.override, Refused) else "",
        "score": row.score if row else None,
        "computed": row.computed if row else None,
        "note": word.note,
    }

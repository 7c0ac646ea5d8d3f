"""`init`: from nothing to a config, by asking what nobody can guess and proposing the rest from what is there."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Timer
from typing import Any

import click

from cli import init_fields
from cli.app import common, current_clock
from cli.clock import stoppable
from cli.config import InvalidConfigError, VendorConfig, read_tables, vendor_config
from cli.errors import OK, USAGE, CommandError, explain
from cli.init_ask import Asker, interactive
from cli.init_write import config_text, require_writable, value, vendor_text, write_all
from cli.output import Output
from cli.run_view import command
from connectors.base import Clock, Source
from connectors.errors import ConnectorError
from connectors.registry import VENDORS
from scoring.presets import PRESETS, preset

CARD = "scorecard.toml"
PATIENCE = 20.0
"""Seconds after which a vendor that does not answer is given up: somebody is waiting."""

CRMS = tuple(name for name, vendor in VENDORS.items() if vendor.is_crm)
OTHERS = tuple(name for name, vendor in VENDORS.items() if not vendor.is_crm)
OWN = frozenset({"files", "sql", "singer"})
"""Sources that are nobody's service, and know nobody."""
SANDBOX = "sandbox"
OVERWRITE = "{path} is there already. --overwrite takes it as the answers and writes it anew; its other tables stay."


@dataclass(slots=True)
class Found:
    """What the answers and the accounts came to.

    Attributes:
        vendors: "crm" or "sources.NAME" -> its table.
        said: "crm" or "sources.NAME" -> who we are there, or why that is not known.
        proposal: From the CRM.
    """

    vendors: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    proposal: init_fields.Proposal = field(default_factory=init_fields.Proposal)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Init:
    config: Path
    out: Output
    ask: Asker
    clock: Clock
    known: Mapping[str, Any]
    found: Found = field(default_factory=Found)


@click.command()
@click.option("--answers", type=click.Path(path_type=Path), help="Take the answers from a file laid out like a config.")
@click.option(
    "--sandbox", type=click.Path(path_type=Path), help="Try it with the sandbox: the folder `sandbox serve` wrote to."
)
@click.option("--card", type=click.Choice([one.name for one in PRESETS]), help="The scorecard to start from.")
@click.option("--yes", is_flag=True, help="Ask nothing: take every proposal.")
@click.option("--overwrite", is_flag=True, help="Write a config anew that is there already.")
@common
def init(
    config: Path, out: Output, *, answers: Path | None, sandbox: Path | None, card: str | None, **flags: bool
) -> int:
    """Write a config and a scorecard: asks what nobody can guess, tries every credential, proposes the rest.

    Secrets are named (an environment variable, or a file), never written down. Nothing is written before all is
    answered, and nothing at the vendors at all. Without a terminal, --answers FILE holds the answers: a config of
    which anything may be left out that can be proposed.

    Example: holdfast init
    """
    _leads_somewhere(config, answers, sandbox)
    asks = interactive() and not flags["yes"]
    old = config.read_text(encoding="utf-8") if config.exists() else ""
    ask = Asker(out, asks)
    if old and not flags["overwrite"]:
        if not asks:
            raise CommandError(OVERWRITE.format(path=config), USAGE)
        if not ask.yes(f"{config} is there already. Take it as the answers and write it anew?", default=False):
            raise CommandError(f"{config} is left as it is.", USAGE)
    source = answers or (sandbox / "config.toml" if sandbox is not None else None)
    known = _known(config, source, plain=sandbox is not None) if source is not None or old else {}
    if not asks:
        _complete(known, source)
    it = _Init(config, out, ask, current_clock(), known)
    try:
        return _walk(it, old, card)
    except InvalidConfigError as error:  # what is wrong stands in the answers: the config is still to be written
        raise InvalidConfigError(str(error).replace(f"{config}: ", f"{source or config}: ")) from None
    except click.Abort:
        out.line()
        out.line("Nothing was written.")
        raise


def _leads_somewhere(config: Path, answers: Path | None, sandbox: Path | None) -> None:
    """Refuse what cannot come to an end before anything is asked."""
    if answers is not None and sandbox is not None:
        raise CommandError("--answers and --sandbox exclude each other: both say where the answers are.", USAGE)
    if answers is not None and not answers.exists():
        raise CommandError(
            f"{answers}: there is no such file of answers; --answers names one laid out like a config.", USAGE
        )
    if not config.parent.exists():
        raise CommandError(
            f"{config.parent}: there is no such folder; make it, or name another file with --config.", USAGE
        )
    require_writable(config.parent)


def _complete(known: Mapping[str, Any], source: Path | None) -> None:
    """Refuse answers without which somebody would have to be asked."""
    if not known:
        empty = f"{source}: there is no answer in it" if source is not None else "without a terminal, nobody is asked"
        raise CommandError(f"{empty}; the answers come from a file: --answers FILE, or --sandbox DIR.", USAGE)
    if "type" not in known.get("crm", {}):
        kinds = " or ".join(repr(name) for name in CRMS)
        raise CommandError(f"{source}: crm.type is missing: which CRM, {kinds}? Nothing is assumed of it.", USAGE)


def _known(config: Path, source: Path | None, *, plain: bool) -> dict[str, Any]:
    """The answers that are there, with paths of secret files made relative to the new config."""
    path = source or config
    tables = read_tables(path)
    crm, sources = tables.get("crm", {}), tables.get("sources", {})
    if not isinstance(crm, dict) or not isinstance(sources, dict):
        raise InvalidConfigError(f"{path}: crm and sources must be tables.")
    for table in [crm, *sources.values()]:
        if not isinstance(table, dict):
            raise InvalidConfigError(f"{path}: sources: each must be a table.")
        if plain:
            table.pop("fields", None)  # what the sandbox's fields mean is found out, as elsewhere
            table.pop("account_key", None)
        for key, item in table.items():
            if isinstance(item, dict) and set(item) == {"file"} and path.parent != config.parent:
                table[key] = {"file": os.path.relpath(path.parent / str(item["file"]), config.parent)}
    return tables


def _walk(it: _Init, old: str, card: str | None) -> int:
    it.out.line(
        "Ctrl-C ends this at any time; nothing is written before the end.", style="dim" if it.ask.asks else None
    )
    known = it.known
    kinds = " or ".join(VENDORS[name].title for name in CRMS)
    crm = it.ask.text(f"Which CRM? {kinds}", str(known.get("crm", {}).get("type", CRMS[0])), (*CRMS, SANDBOX))
    if crm == SANDBOX:
        folder = _sandbox(it)
        known = _known(it.config, folder / "config.toml", plain=True)
        crm = str(known["crm"]["type"])
        it = _Init(it.config, it.out, it.ask, it.clock, known, it.found)
    _crm(it, crm)
    sources = known.get("sources", {})
    for kind in [name for name in OTHERS if name in sources] + _more(it):
        _source(it, kind)
    for name, table in sources.items():
        if name not in OTHERS:
            _connect(it, f"sources.{name}", str(table.get("type", name)), table)
    chosen = card or it.ask.text("Which scorecard to start from?", "default", [one.name for one in PRESETS])
    files = _files(it, old, chosen)
    write_all(files)
    _next(it, files)
    return OK


def _sandbox(it: _Init) -> Path:
    """The folder of a sandbox's config; asked until there is one."""
    while True:
        folder = Path(it.ask.text("Folder that `holdfast sandbox serve --write-config FOLDER` wrote", "trial"))
        if (folder / "config.toml").is_file() or not it.ask.asks:
            return folder
        it.out.line(f"There is no config.toml in {folder}.", style="yellow")


def _crm(it: _Init, kind: str) -> None:
    known = it.known.get("crm", {})
    same = known if known.get("type", kind) == kind else {}
    config = _connect(it, "crm", kind, {**same, "type": kind})
    if config is None:
        return
    try:
        with _patient(it.clock) as clock:
            crm = init_fields.Crm(kind, config.settings, clock)
            it.found.proposal = init_fields.look(crm, same.get("fields", {}))
    except ConnectorError as error:
        it.out.warn(f"what its fields mean could not be looked at: {error}")
        return
    for line in it.found.proposal.lines:
        it.out.line(f"  {line}")
    if it.found.proposal.notes and not it.ask.yes("Take these fields?"):
        it.found.proposal.fields = dict(same.get("fields", {}))
        it.out.line("  They are left out; docs/mapping.md says how to name others in the config.")
    if it.found.proposal.fields:
        it.found.vendors["crm"]["fields"] = it.found.proposal.fields


def _more(it: _Init) -> list[str]:
    """The sources that somebody has and that no answer has named yet: one question, however many kinds there are."""
    rest = [name for name in OTHERS if name not in it.known.get("sources", {})]
    if not it.ask.asks or not rest:
        return []
    it.out.heading("Sources")
    it.out.item(f"What can be read{' besides' if len(rest) < len(OTHERS) else ''}: {', '.join(rest)}.", 2)
    while True:
        said = it.ask.text("Which of these do you have? With commas between", "none").lower()
        names = [one.strip() for one in said.split(",") if one.strip() not in {"", "none"}]
        if not (strange := [one for one in names if one not in rest]):
            return list(dict.fromkeys(names))
        it.out.line(f"{strange[0]!r} is none of them; files, sql or singer read what has no name here.", style="yellow")


def _source(it: _Init, kind: str) -> None:
    config = _connect(it, f"sources.{kind}", kind, it.known.get("sources", {}).get(kind, {}))
    table = it.found.vendors[f"sources.{kind}"]
    if config is None or "account_key" not in type(config.settings).model_fields or "account_key" in table:
        return
    try:
        with _patient(it.clock) as clock:
            key = init_fields.account_key(_made(config, clock))
    except ConnectorError as error:
        it.out.warn(f"which property names the customer could not be looked at: {error}")
        key = None
    if key is not None:
        it.out.line(f"  the property that names the customer: {key[0]}, {key[1]}")
    else:
        it.out.line("  no recent event has a property that looks like the customer's id", style="yellow")
    name, why = key or (str(config.settings.account_key), "")
    table["account_key"] = it.ask.text("Event property that names the customer", name)
    it.found.notes[kind] = why


def _connect(it: _Init, where: str, kind: str, known: Mapping[str, Any]) -> VendorConfig | None:
    """Ask for a vendor's settings and try them until they work; None when they are kept untried."""
    title, name = VENDORS[kind].title, where.removeprefix("sources.")
    it.out.heading(title if name in {"crm", kind} else f"{title}: {name}")
    table = {key: one for key, one in known.items() if key != "fields"}
    again = False
    while True:
        if not again:
            table = it.ask.vendor(kind, table) if kind in OTHERS or kind in CRMS else dict(table)
        full = {**table, **({"fields": known["fields"]} if "fields" in known else {})}
        it.found.vendors[where] = full
        try:
            config = vendor_config(it.config, where, full, os.environ)
            with _patient(it.clock) as clock:
                source = _made(config, clock)
                said = source.environment().label
                missing = [one for one in source.check() if one.severity == "error" or one.code == "no_streams"]
        except (InvalidConfigError, ConnectorError) as error:
            text, _ = explain(error)
            if not it.ask.asks:
                raise
            it.out.fail(text)
            answer = it.ask.text("Change the answers, try again, keep them untried, or stop?", "change", TRIES)
            if answer == "stop":
                raise click.Abort from None
            if answer == "keep":
                it.found.said[where] = "not tried"
                return None
            again = answer == "again"
            continue
        it.found.said[where] = said
        it.out.line(f"✓ {'It can be read' if kind in OWN else f'{title} knows us'}: {said}")
        for one in missing:
            it.out.warn(f"{one.message} {one.advice}")
        return config


TRIES = ("change", "again", "keep", "stop")


def _made(config: VendorConfig, clock: Clock) -> Source:
    source: Source = VENDORS[config.type].load().connect(config.name, config.settings, clock=clock)
    return source


@contextmanager
def _patient(clock: Clock) -> Iterator[Clock]:
    """A clock whose waits end when somebody has waited long enough."""
    enough = Event()
    timer = Timer(PATIENCE, enough.set)
    timer.daemon = True
    timer.start()
    try:
        yield stoppable(clock, enough)
    finally:
        timer.cancel()


def _files(it: _Init, old: str, chosen: str) -> dict[Path, str]:
    """The files to write: the scorecard, unless there is one, and the config, which names it, last."""
    found, tables = it.found, tomllib.loads(old)
    known = it.known
    domains = known.get("identity", {}).get("own_domains") or found.proposal.own_domains
    if "identity" not in tables:
        text = it.ask.text("Mail domains of your own people, who are never scored", ", ".join(domains) or "none")
        domains = [one for one in (part.strip() for part in text.split(",")) if one and one != "none"]
    owner = known.get("writeback", {}).get("fallback_owner")
    if "writeback" not in tables:
        owner = _fallback(it, owner)
    line = (
        f"fallback_owner = {value(owner)}" if owner else '# fallback_owner = "12345"      # CRM owner id for tasks of '
    )
    line += "" if owner else "accounts without an active owner"
    rest = {
        "own_domains": value(list(domains)),
        "card": value(CARD),
        "fallback_owner": line,
        "state": value(known.get("state", {}).get("dir", "state")),
    }
    notes = {"crm": found.proposal.notes}
    vendors = {where: vendor_text(where, table, notes.get(where, {})) for where, table in found.vendors.items()}
    files = {it.config.with_name(f"{it.config.name}.bak"): old} if old else {}
    card = it.config.parent / CARD
    if "scoring" not in tables and not card.exists():
        files[card] = preset(chosen).text
    return {**files, it.config: config_text(vendors, rest, old)}


def _fallback(it: _Init, default: str | None) -> str | None:
    """Who gets tasks of accounts without an owner who is active."""
    users = it.found.proposal.users
    if not users or not it.ask.asks:
        return default
    it.out.heading("Owners")
    shown = users[:9]
    for number, (user, accounts) in enumerate(shown, 1):
        it.out.line(f"  {number}  {user.name or user.email or user.source_id}: {accounts} of the accounts looked at")
    it.out.line("  0  nobody: such a task has no owner")
    choices = [str(number) for number in range(len(shown) + 1)]
    answer = int(it.ask.text("Who gets the tasks of accounts without an active owner?", "0", choices))
    return shown[answer - 1][0].source_id if answer else None


def _next(it: _Init, files: Mapping[Path, str]) -> None:
    out = it.out
    out.line()
    out.line(f"Written: {', '.join(str(path) for path in files)}.", style="bold")
    out.line("Next:")
    steps = (
        (("check",), "is everything in place, and what is missing"),
        (("setup",), "creates our fields in the CRM"),
        (("sync", "--dry-run"), "shows what would change, and why; writes nothing"),
    )
    for words, what in steps:
        out.line(f"  {command(*words)}    # {what}")
    if out.as_json:
        out.json(
            {
                "written": list(files),
                "vendors": it.found.said,
                "fields": it.found.proposal.fields,
                "own_domains": it.found.proposal.own_domains,
            }
        )

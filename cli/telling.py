"""After a run: notes what changed, and tells the channels of the config. Whatever goes wrong here, the run stands."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.config import Config
from cli.errors import explain
from cli.log import RunLog, logged
from cli.output import Output, count
from cli.run_view import command
from connectors.base import Clock
from connectors.redact import REDACTOR
from notify.compose import Composer, accounts, wants
from notify.digest import make_digest
from notify.post import Ended as Sent
from notify.post import send_all
from notify.settings import Channel, Email, Webhook
from notify.words import Message, inert
from sync import baseline, outbox
from sync.guard import written_before
from sync.ledger_rows import FAILED
from sync.notices import Notice, Stale, Stands, Wants, note_told, notice_changes
from sync.noting import Ended
from sync.outbox import Letter
from sync.run import Agent
from sync.store import Store, StoreError

UNREAD = frozenset({"error", "off"})
"""Kinds of disbelief that are told only after `notify.stale_after`: a source that answers again within is no news."""


DAMAGE_TOLD = "damage-told"
"""File in the state folder while people know that the state file cannot be worked with."""


@contextmanager
def telling(agent: Agent, config: Config, out: Output) -> Iterator[None]:
    """Whatever the agent does within, people are told afterwards what changed by it.

    A dry run tells nobody, unless the config lets nothing else run by itself.
    """
    ends: list[Ended] = []
    before = agent.on_end

    def ended(end: Ended) -> None:
        before(end)
        ends.append(end)

    agent.on_end = ended
    with logged(agent, config.log, config.path.parent) as log:
        try:
            yield
        finally:
            _tell_of(ends, agent, config, out, log)


def _tell_of(ends: list[Ended], agent: Agent, config: Config, out: Output, log: RunLog | None) -> None:
    """Tell of the last run that counts, if there was one; what goes wrong is said and does no harm."""
    counting = [end for end in ends if end.mode != "dry" or agent.policy.only_approved]
    if not config.notify.channels or not counting:
        return
    try:
        teller = Teller(agent.store, config, agent.clock, out)
        teller.note(stands_after(agent, config, counting[-1]))
        sent = Counter((one.channel, bool(one.error)) for one in teller.send())
    except Exception as error:  # noqa: BLE001  # the run has done its work, and the next one tries again
        out.warn(f"telling people did not work: {explain(error)[0]}")
        return
    if log is not None:
        for (channel, failed), number in sorted(sent.items()):
            log.event("told", "warning" if failed else "info", channel=channel, messages=number, failed=failed)


@contextmanager
def telling_of_damage(config: Config, clock: Clock, out: Output) -> Iterator[Callable[[Store], None]]:
    """Tell people when the state file cannot be worked with, in which nothing can be noted then.

    That they were told is kept in a file beside it. Gives what is called with the store once it can be worked with
    again: then the next run that does its work is told as recovered.
    """
    mark = config.state_dir / DAMAGE_TOLD

    def recovered(store: Store) -> None:
        if mark.exists():
            with store.transaction() as conn:
                note_told(conn, "run", "", "failed", clock.now())
            mark.unlink(missing_ok=True)

    try:
        yield recovered
    except StoreError as error:
        wanting = [name for name, channel in config.notify.channels.items() if "run_failed" in channel.kinds]
        if wanting and not mark.exists():
            _tell_of_damage(error, mark, wanting, config, clock, out)
        raise


def _tell_of_damage(
    error: StoreError, mark: Path, names: Sequence[str], config: Config, clock: Clock, out: Output
) -> None:
    now = clock.now()
    number = outbox.message_id(f"{mark} {now.isoformat()}")
    lines, commands = [inert(str(error), 500)], [command("state", "check")]
    message = Message(number, "run_failed", now, "A run could not begin", lines, commands=commands)
    ended: list[Sent] = []
    post(config, [(name, message) for name in names], now, ended.append)
    for one in ended:
        if one.error:
            out.warn(f"notify.channels.{one.channel}: {one.error}. The next run tries again.")
    if any(not one.error for one in ended):
        with suppress(OSError):  # told once more by the next run, which is better than not at all
            mark.touch(mode=0o600)


def stands_after(agent: Agent, config: Config, end: Ended) -> Stands:
    """How things stand after a run."""
    report = end.report
    why = report.blocked or str(report.halted or "")
    if end.error is not None:
        why = explain(end.error)[0] if isinstance(end.error, Exception) else "it was broken off."
    status = "stopped" if end.error is not None and not isinstance(end.error, Exception) else end.status
    stale = None
    if report.settled is not None:
        patience = agent.clock.now() - timedelta(seconds=config.notify.stale_after)
        stale = {
            f"{one.source}/{one.stream}": Stale(one.why, one.last_good)
            for one in report.breaches
            if one.alarm and (one.kind not in UNREAD or one.last_good <= patience)
        }
    plan = report.plan
    judged = plan is not None and plan.kind == "sync" and not plan.baseline and end.status not in FAILED
    bands = None
    if end.status not in FAILED and not baseline.stand(agent.store).open:
        written = written_before(agent.ledger.written(), agent.ledger.band_states(), agent.fields)
        bands = {crm_id: known.band for crm_id, known in written.items() if known.band is not None}
    held = _held(agent, end) if judged and report.held else None
    return Stands(end.run_id, status, why, bands, stale, held, judged)


def _held(agent: Agent, end: Ended) -> dict[str, Any]:
    plan = end.report.plan
    assert plan is not None  # noqa: S101  # the caller asked
    files = sorted((agent.store.path / "plans").glob(f"*-{plan.hash[:8]}.plan"))
    return {
        "file": str(files[-1]) if files else "PLAN",
        "fields": plan.field_count,
        "tasks": len(plan.tasks),
        "checks": [verdict.text for verdict in end.report.held],
    }


@dataclass(frozen=True, slots=True)
class Planned:
    """One message, and where it goes."""

    channel: str
    letter: Letter
    message: Message


class Teller:
    """Notes, writes and sends.

    Args:
        store: Open for writing, or read only for `planned`.
        config: With the channels.
        clock: For the instant.
        out: Is told what could not be sent.
    """

    def __init__(self, store: Store, config: Config, clock: Clock, out: Output) -> None:
        self.store = store
        self.config = config
        self.clock = clock
        self.out = out
        self.channels: dict[str, Channel] = dict(config.notify.channels)
        self.composer = Composer(store, config.crm.name, command)

    def note(self, stands: Stands) -> list[Notice]:
        """Keep what changed, for every channel that wants it."""
        by_owner = any(channel.owners for channel in self.channels.values())
        known = accounts(self.store, self.config.crm.name, sorted(stands.bands or ())) if by_owner else {}
        wanted: dict[str, Wants] = {name: wants(channel, known) for name, channel in self.channels.items()}
        return notice_changes(self.store, stands, wanted, self.clock.now())

    def planned(self) -> list[Planned]:
        """What would be sent now: the channels' open messages, those in their quiet hours left out."""
        local = self.clock.now().astimezone(self.config.team.zone)
        return [
            Planned(name, letter, self.composer.message(letter, channel))
            for name, channel in self.channels.items()
            if not channel.resting(local)
            for letter in outbox.letters(self.store, name)
        ]

    def send(self) -> list[Sent]:
        """Send what waits, every channel beside the others; never longer than `notify.timeout`."""
        now = self.clock.now()
        outbox.drop_channels(self.store, list(self.channels))
        if given_up := outbox.give_up(self.store, now):
            self.out.warn(f"{count(given_up, 'notice')} could not be sent for a day and will not be tried again.")
        for name, channel in self.channels.items():
            make_digest(self.store, name, channel, now, self.config.team.zone)
        planned = self.planned()
        if not planned:
            return []
        outbox.note_sending(self.store, [one.letter for one in planned], now)
        letters = {(one.channel, one.message.id): one.letter for one in planned}
        ended: list[Sent] = []

        def note(one: Sent) -> None:
            ended.append(one)
            letter = letters[one.channel, one.message]
            if one.unclear:
                outbox.note_unclear(self.store, letter, one.error)
            else:
                outbox.note_end(self.store, letter, "failed" if one.error else "sent", now, one.error)

        post(self.config, [(one.channel, one.message) for one in planned], now, note)
        for name in dict.fromkeys(one.channel for one in ended if one.error):
            error = next(one.error for one in ended if one.channel == name and one.error)
            self.out.warn(f"notify.channels.{name}: {error}. The next run tries again.")
        return ended


def post(config: Config, messages: Sequence[tuple[str, Message]], now: datetime, ended: Callable[[Sent], None]) -> None:
    """Send messages, each with the name of its channel; no log shows an address or a password.

    Args:
        config: With the channels.
        messages: What to send where.
        now: The instant.
        ended: Called with what became of each.
    """
    REDACTOR.add(secrets(config.notify.channels.values()))
    by_channel: dict[str, list[Message]] = {}
    for name, message in messages:
        by_channel.setdefault(name, []).append(message)
    send_all(by_channel, config.notify.channels, now, config.notify.timeout, ended)


def secrets(channels: Iterable[Channel]) -> Iterator[str]:
    """Every secret of the channels; of an address also the path, which alone is told in logs of requests."""
    for channel in channels:
        if isinstance(channel, Email):
            if channel.password is not None:
                yield channel.password.get_secret_value()
            continue
        address = channel.url.get_secret_value()
        yield address
        if len(path := urlsplit(address).path) > 1:
            yield path
        if isinstance(channel, Webhook):
            yield channel.secret.get_secret_value()

"""Puts what is to be told into words: names and scores as they are now, numbers as they were when it was noticed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from notify.settings import Channel
from notify.words import MOST_ITEMS, Item, Message, inert
from sync.money import amount
from sync.notices import Notice
from sync.outbox import Letter
from sync.store import Store

Command = Callable[..., str]
"""Makes a command as a person types it here: its words in, one line out."""

_ACCOUNTS = """
SELECT s.crm_id, s.name, s.score, s.band, s.reason, s.owner_id, u.email, a.mrr, a.currency
FROM score s
LEFT JOIN source c ON c.name = ?1
LEFT JOIN user u ON u.source = c.id AND u.source_id = s.owner_id AND u.valid_to IS NULL
LEFT JOIN account a ON a.source = c.id AND a.source_id = s.crm_id
WHERE s.level = 'account' AND s.crm_id IN (SELECT value FROM json_each(?2))
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the newest scores have it; amounts are in minor units of the currency."""

    crm_id: str
    name: str
    score: int | None
    band: str
    reason: str
    owner_id: str | None
    owner_email: str | None
    mrr: int | None
    currency: str | None


def accounts(store: Store, crm: str, crm_ids: list[str]) -> dict[str, Account]:
    """Accounts by CRM id; one that is not scored any more is left out."""
    found = {}
    for crm_id, name, *rest in store.rows(_ACCOUNTS, (crm, json.dumps(crm_ids))):
        found[crm_id] = Account(crm_id, str(name or crm_id), *rest)
    return found


def wants(channel: Channel, known: Mapping[str, Account]) -> Callable[[Notice], bool]:
    """Whether a channel wants a notice: its kinds, and for accounts its owners.

    Args:
        channel: Its settings.
        known: The accounts that may be told of, by CRM id.
    """
    owners = {owner.casefold() for owner in channel.owners}

    def wanted(notice: Notice) -> bool:
        if notice.kind not in channel.kinds:
            return False
        if not owners or not notice.kind.startswith("account_"):
            return True
        account = known.get(notice.subject)
        theirs = {account.owner_id, account.owner_email} if account is not None else set()
        return any(one is not None and one.casefold() in owners for one in theirs)

    return wanted


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes messages.

    Attributes:
        store: For names and scores.
        crm: Name of the CRM's source.
        command: Makes the commands that a message names.
    """

    store: Store
    crm: str
    command: Command

    def message(self, letter: Letter, channel: Channel) -> Message:
        """The message of a letter."""
        first, last = letter.notices[0], letter.notices[-1]
        blank = Message(letter.id, letter.kind, first.at, "", again=letter.again)
        match letter.kind:
            case "account_red" | "account_recovered":
                return self._accounts(blank, letter, channel)
            case "plan_held":
                return self._held(blank, last)
            case "source_stale" | "source_recovered":
                return _sources(blank, letter)
            case "run_failed":
                return self._failed(blank, first)
            case "run_recovered":
                return replace(blank, title="Runs work again")
            case "digest":
                return self._digest(blank, last, channel)

    def _failed(self, blank: Message, notice: Notice) -> Message:
        why = inert(str(notice.facts.get("why", "")), 500)
        title = "A run could not do its work" if notice.facts.get("status") == "blocked" else "A run failed"
        commands = [self.command("status"), self.command("check")]
        return replace(blank, title=title, lines=[why] if why else [], commands=commands)

    def _accounts(self, blank: Message, letter: Letter, channel: Channel) -> Message:
        ids = list(dict.fromkeys(notice.subject for notice in letter.notices))
        red = letter.kind == "account_red"
        items = self._items(ids, channel, reason=red)
        what = "newly red" if red else "not red any more"
        title = f"{items[0].name} is {what}" if len(ids) == 1 else f"{len(ids):,} accounts are {what}"
        return replace(blank, title=title, items=items, more=len(ids) - len(items))

    def _items(self, ids: list[str], channel: Channel, *, reason: bool) -> list[Item]:
        """The accounts that a message names, those that pay most first."""
        known = accounts(self.store, self.crm, ids)
        order = sorted(ids, key=lambda one: (-(known[one].mrr or 0) if one in known else 1, one))
        return [_account(known.get(one), one, channel, reason=reason) for one in order[:MOST_ITEMS]]

    def _held(self, blank: Message, notice: Notice) -> Message:
        facts = notice.facts
        file = str(facts.get("file", "PLAN"))
        size = f"{facts.get('fields', 0):,} fields and {facts.get('tasks', 0):,} tasks wait; nothing was written."
        commands = [
            self.command("apply", file, "--dry-run"),
            self.command("approve", file, "--by", "NAME"),
            self.command("apply", file),
        ]
        lines = [size, *(inert(str(text), 500) for text in facts.get("checks", []))]
        return replace(blank, title="A plan is held until a person decides", lines=lines, commands=commands)

    def _digest(self, blank: Message, notice: Notice, channel: Channel) -> Message:
        facts = notice.facts
        bands = ", ".join(f"{facts['bands'].get(name, 0):,} {name}" for name in ("red", "yellow", "green", "unknown"))
        runs = ", ".join(f"{number:,} {status}" for status, number in sorted(facts["runs"].items())) or "none"
        lines = [
            f"Since {datetime.fromisoformat(facts['since']):%Y-%m-%d %H:%M} UTC.",
            f"Health of {sum(facts['bands'].values()):,} accounts: {bands}.",
            f"Newly red: {len(facts['red']):,}. Not red any more: {len(facts['recovered']):,}.",
            f"Runs: {runs}.",
        ]
        lines += ["A plan is held and waits for a person."] if facts["held"] else []
        lines += [f"Not believed at the moment: {', '.join(map(inert, facts['stale']))}."] if facts["stale"] else []
        red = list(dict.fromkeys(facts["red"]))
        items = self._items(red, channel, reason=True)
        when = "This week" if facts["every"] == "weekly" else "Today"
        title = f"{when}: {facts['bands'].get('red', 0):,} accounts are red"
        return replace(blank, title=title, lines=lines, items=items, more=len(red) - len(items))


def _account(account: Account | None, crm_id: str, channel: Channel, *, reason: bool) -> Item:
    if account is None:
        return Item(inert(crm_id), "not scored any more", {"crm_id": crm_id})
    parts = []
    if reason and account.reason:  # which begins with the score
        parts.append(inert(account.reason, 300))
    else:
        parts.append(f"{'no score' if account.score is None else f'score {account.score}'}, {account.band}")
    if account.mrr:
        parts.append(f"{amount(account.mrr, account.currency or '')} a month")
    if channel.show_owner and account.owner_email:
        parts.append(f"owner {inert(account.owner_email)}")
    text = "; ".join(parts)
    data = {"crm_id": crm_id, "score": account.score, "band": account.band, "owner_id": account.owner_id}
    return Item(inert(account.name), text, data)


def _sources(blank: Message, letter: Letter) -> Message:
    stale = letter.kind == "source_stale"
    items = [Item(inert(one.subject), inert(str(one.facts.get("why", "")), 500)) for one in letter.notices]
    what = "not believed" if stale else "believed again"
    title = f"{items[0].name} is {what}" if len(items) == 1 else f"{len(items)} streams are {what}"
    lines = ["Scores keep what they last said, and no customer gets worse for the silence."] if stale else []
    return replace(blank, title=title, lines=lines, items=items[:MOST_ITEMS], more=max(0, len(items) - MOST_ITEMS))

"""Is the data good enough to write scores into the CRM? Shares of what the state file holds, each with a pass mark.

A score out of records that do not find each other, of accounts without an owner or of a copy from last month is worse
than none: people act on it. So the first fill of a CRM waits until each measure has reached its mark, or a person has
accepted by name the one that has not. Later runs are not stopped by it: there the guard looks at what changes.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from sync.guard import Verdict
from sync.overview import MatchRate, match_rates
from sync.store import Store
from sync.streams import StreamStatus
from sync.values import count

if TYPE_CHECKING:
    from sync.run import Agent

Name = Literal["scored", "linked", "identified", "owners", "duplicates", "quarantined", "fresh"]
"""What is measured with a pass mark, and what a person may accept by name."""

NAMES: tuple[Name, ...] = get_args(Name)


class Quality(BaseModel):
    """The pass mark for data, before anything is written for the first time."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    enabled: bool = Field(True, description="False: the first fill does not ask how good the data is.")
    scored: float = Field(
        0.50, ge=0, le=1, description="Least share of the accounts to be scored of which enough is known for a band."
    )
    linked: float = Field(
        0.60,
        ge=0,
        le=1,
        description="Least share of a source's accounts (of its people, where it has no accounts) that match the CRM; "
        "or of the accounts to be scored that the source knows, whichever is more.",
    )
    identified: float = Field(
        0.70,
        ge=0,
        le=1,
        description="Least share of the accounts to be scored with a domain or an id by which others can be matched.",
    )
    owners: float = Field(
        0.50,
        ge=0,
        le=1,
        description="Least share of the accounts to be scored with an owner who is active; not asked for without tasks "
        "or with a fallback owner.",
    )
    duplicates: float = Field(
        0.10,
        ge=0,
        le=1,
        description="Most that may share a domain (accounts without a parent) or an e-mail address (contacts).",
    )
    quarantined: float = Field(0.05, ge=0, le=1, description="Largest share of a stream's rows that is unusable.")
    max_age_hours: int = Field(48, ge=1, description="Hours after which a stream without a complete pull is stale.")
    fewest: int = Field(20, ge=1, description="A share of fewer records than this is told and not judged.")
    accept: tuple[Name, ...] = Field(
        (), description='Measures that a person has looked at and accepts below their mark, such as ["linked"].'
    )


@dataclass(frozen=True, slots=True)
class Measure:
    """One share, and whether it will do.

    Attributes:
        name: What is measured; "plan", "mrr", "renewal_date" and "email" have no mark and are only told.
        about: Source or kind of record; empty when it is about the accounts.
        part: So many ...
        total: ... of so many.
        mark: The share to reach, or with `at_most` not to pass; None when nothing hangs on it.
        at_most: Whether less is better.
        judged: There are records enough to judge by.
        accepted: A person accepts whatever it is.
        text: One sentence with the numbers.
        advice: What to do about it.
    """

    name: str
    about: str
    part: int
    total: int
    mark: float | None
    text: str
    advice: str = ""
    at_most: bool = False
    judged: bool = True
    accepted: bool = False

    @property
    def share(self) -> float:
        """The share; of nothing what is best."""
        if not self.total:
            return 0.0 if self.at_most else 1.0
        return self.part / self.total

    @property
    def reached(self) -> bool:
        """Whether the mark is reached."""
        if self.mark is None:
            return True
        return self.share <= self.mark if self.at_most else self.share >= self.mark

    @property
    def passes(self) -> bool:
        """Whether writing may begin as far as this goes."""
        return self.reached or self.accepted or not self.judged


def measure(
    store: Store,
    marks: Quality,
    *,
    crm: str,
    sources: Collection[str],
    now: datetime,
    owners_matter: bool = True,
) -> list[Measure]:
    """Measure what the state file holds; meaningful once something was pulled and scored.

    Args:
        store: The state.
        marks: The pass marks.
        crm: Name of the CRM.
        sources: Names of all sources in the config, the CRM included.
        now: What ages are counted from.
        owners_matter: Whether tasks need an owner of the account.
    """
    found = _Measurer(store, marks, crm, frozenset(sources), now)
    return [*found.accounts(owners_matter=owners_matter), *found.links(), *found.duplicates(), *found.streams()]


def failed(measures: Sequence[Measure]) -> list[Measure]:
    """What keeps the first fill from being written."""
    return [one for one in measures if not one.passes]


def measured(agent: "Agent", now: datetime) -> list[Measure]:
    """The measures of an agent's own state."""
    return measure(
        agent.store,
        agent.policy.quality,
        crm=agent.crm.name,
        sources=[source.name for source, _ in agent.sources],
        now=now,
        owners_matter=agent.policy.tasks and agent.policy.fallback_owner is None,
    )


def verdicts(agent: "Agent", now: datetime) -> list[Verdict]:
    """Why a first fill is not written by itself, as the guard would say it; empty when the data will do."""
    bad = failed(measured(agent, now)) if agent.policy.quality.enabled else []
    if not bad:
        return []
    flags = " ".join(f"--accept {name}" for name in dict.fromkeys(one.name for one in bad))
    text = (
        f"The data is below the pass mark: {' '.join(one.text for one in bad)} `holdfast check` says what to do. To "
        f"have it written all the same, add {flags} to `sync --initial`, or name it under quality.accept."
    )
    return [Verdict("quality", len(bad), 0, held=True, text=text)]


# -- one query a question -----------------------------------------------------------------------------------------

_SCORED = """
WITH scored AS (
  SELECT a.key, a.source, s.crm_id, s.band, s.owner_id, a.domains, a.external_ids, a.plan, a.mrr, a.renewal_date
  FROM score s JOIN source c ON c.name = ?1
  JOIN account a ON a.source = c.id AND a.source_id = s.crm_id
  LEFT JOIN standing t ON t.crm_id = s.crm_id
  WHERE s.level = 'account' AND t.frozen IS NULL AND a.valid_from IS NOT NULL AND a.valid_to IS NULL
)
"""

_ACCOUNTS = f"""{_SCORED}
SELECT count(*), sum(band <> 'unknown'),
  sum(coalesce(domains, '[]') <> '[]' OR coalesce(external_ids, '{{}}') <> '{{}}'),
  sum(EXISTS (SELECT 1 FROM user u WHERE u.source = scored.source AND u.source_id = scored.owner_id
    AND u.active = 1 AND u.valid_from IS NOT NULL AND u.valid_to IS NULL)),
  count(plan), count(mrr), count(renewal_date)
FROM scored
"""

_KNOWN = f"""{_SCORED},
met AS (
  SELECT l.crm AS account FROM link l JOIN account a ON a.key = l.key JOIN source s ON s.id = a.source
  WHERE l.kind = 'account' AND s.name = ?2
  UNION SELECT l.crm FROM link l JOIN contact p ON p.key = l.key JOIN source s ON s.id = p.source
  WHERE l.kind = 'home' AND s.name = ?2
  UNION SELECT c.account FROM link l JOIN contact p ON p.key = l.key JOIN source s ON s.id = p.source
  JOIN contact c ON c.key = l.crm WHERE l.kind = 'contact' AND s.name = ?2
)
SELECT count(*), sum(key IN (SELECT account FROM met)) FROM scored
"""

_TWIN_ACCOUNTS = """
WITH live AS (
  SELECT a.key, d.value AS domain FROM account a JOIN source s ON s.id = a.source, json_each(a.domains) d
  WHERE s.name = ?1 AND a.parent IS NULL AND a.valid_from IS NOT NULL AND a.valid_to IS NULL
), shared AS (SELECT domain FROM live GROUP BY domain HAVING count(DISTINCT key) > 1)
SELECT count(DISTINCT key), count(DISTINCT CASE WHEN domain IN (SELECT domain FROM shared) THEN key END) FROM live
"""

_TWIN_CONTACTS = """
SELECT coalesce(sum(number), 0), coalesce(sum(CASE WHEN number > 1 THEN number END), 0) FROM (
  SELECT count(*) AS number FROM contact c JOIN source s ON s.id = c.source
  WHERE s.name = ?1 AND c.email IS NOT NULL AND coalesce(c.staff, 0) = 0
    AND c.valid_from IS NOT NULL AND c.valid_to IS NULL
  GROUP BY c.email
)
"""

_ADDRESSES = """
SELECT count(*), count(c.email) FROM contact c JOIN source s ON s.id = c.source
WHERE s.name = ?1 AND coalesce(c.staff, 0) = 0 AND c.valid_from IS NOT NULL AND c.valid_to IS NULL
"""

_UNUSABLE = """
SELECT source.name, stream.name, stream.total, count(DISTINCT quarantine.source_id)
FROM quarantine JOIN stream ON stream.id = quarantine.stream JOIN source ON source.id = stream.source
GROUP BY quarantine.stream ORDER BY 1, 2
"""

_IDENTITY = "docs/identity.md says by what records are matched, and how to help."
_FIELDS = "Fill it in the CRM, or name the field that holds it in [crm.fields]."


@dataclass(frozen=True, slots=True)
class _Measurer:
    store: Store
    marks: Quality
    crm: str
    sources: frozenset[str]
    now: datetime

    def accounts(self, *, owners_matter: bool) -> Iterator[Measure]:
        """What is said of the accounts that are scored."""
        ((total, *parts),) = self.store.rows(_ACCOUNTS, (self.crm,))
        scored, identified, owners, plan, mrr, renewal = (int(part or 0) for part in parts)
        ask = self._asked("", total)
        yield ask("scored", scored, "have data enough for a band", "`holdfast explain NAME` says what is missing.")
        yield ask("identified", identified, "have a domain or an id to be matched by", _IDENTITY)
        if owners_matter:
            fallback = "Assign them in the CRM, or set writeback.fallback_owner."
            yield ask("owners", owners, "have an owner who is active", fallback)
        yield ask("plan", plan, "say which plan they are on", _FIELDS, None)
        yield ask("mrr", mrr, "say what they pay", _FIELDS, None)
        yield ask("renewal_date", renewal, "say when they renew", _FIELDS, None)
        ((people, addresses),) = self.store.rows(_ADDRESSES, (self.crm,))
        share = _percent(addresses, people)
        text = f"{addresses:,} of {count(people, 'contact')} have an e-mail address ({share})."
        advice = "People without one are matched by an id of the product only."
        yield Measure("email", "contacts", addresses, people, None, text, advice)

    def _asked(self, about: str, total: int) -> Callable[..., Measure]:
        def ask(name: str, part: int, what: str, advice: str, mark: float | str | None = "named") -> Measure:
            wanted = getattr(self.marks, name) if mark == "named" else None
            text = f"{part:,} of {count(total, 'account')} {what} ({_percent(part, total)}{_mark(wanted)})."
            return self._measure(Measure(name, about, part, total, wanted, text, advice))

        return ask

    def links(self) -> Iterator[Measure]:
        """How well each source's records find the CRM's: either most of its own, or most of our accounts."""
        rates = [rate for rate in match_rates(self.store, crm=self.crm) if rate.source in self.sources]
        for source in sorted(self.sources - {self.crm}):
            mine = [rate for rate in rates if rate.source == source and rate.total]
            accounts = [rate for rate in mine if rate.kind == "account"]
            yield from (self._link(rate) for rate in (accounts or mine)[:1])

    def _link(self, rate: MatchRate) -> Measure:
        ((total, known),) = self.store.rows(_KNOWN, (self.crm, rate.source))
        known = int(known or 0)
        text = (
            f"{rate.source}: {rate.linked:,} of {count(rate.total, rate.kind)} match the CRM "
            f"({_percent(rate.linked, rate.total)}), and it knows {known:,} of {count(total, 'account')} that are "
            f"scored ({_percent(known, total)}{_mark(self.marks.linked)} for one of the two)."
        )
        other = total and known / total > rate.linked / rate.total
        part, whole = (known, total) if other else (rate.linked, rate.total)
        return self._measure(Measure("linked", rate.source, part, whole, self.marks.linked, text, _IDENTITY))

    def duplicates(self) -> Iterator[Measure]:
        """Records of the CRM that are probably one."""
        asked = (
            ("account", "share a domain with another that is not of its group", _TWIN_ACCOUNTS),
            ("contact", "share an e-mail address", _TWIN_CONTACTS),
        )
        for kind, what, sql in asked:
            ((total, twins),) = self.store.rows(sql, (self.crm,))
            text = f"{twins:,} of {count(total, kind)} {what} ({_percent(twins, total)}{_most(self.marks.duplicates)})."
            advice = "Merge them in the CRM, or set the parent where they are one group."
            wanted = self.marks.duplicates
            yield self._measure(Measure("duplicates", f"{kind}s", twins, total, wanted, text, advice, at_most=True))

    def streams(self) -> Iterator[Measure]:
        """What could not be read, or not lately."""
        live = [one for one in self.store.status() if one.source in self.sources and not one.off]
        stale = [one for one in live if self._stale(one)]
        named = f": {', '.join(f'{one.source} {one.stream}' for one in stale)}" if stale else ""
        text = (
            f"{len(live) - len(stale)} of {count(len(live), 'stream')} were read completely within "
            f"{self.marks.max_age_hours} hours{named}."
        )
        advice = "`holdfast status` says why; docs/operations.md, what to do."
        fresh = Measure("fresh", "", len(live) - len(stale), len(live), 1.0, text, advice)
        yield self._measure(fresh, always=True)
        for source, stream, total, bad in self.store.rows(_UNUSABLE, ()):
            if source in self.sources:
                rows, wanted = total + bad, self.marks.quarantined
                text = (
                    f"{source} {stream}: {bad:,} of {count(rows, 'row')} cannot be used "
                    f"({_percent(bad, rows)}{_most(wanted)})."
                )
                advice = "`holdfast status` says why; correct the records, or the field map (docs/mapping.md)."
                about = f"{source}/{stream}"
                yield self._measure(Measure("quarantined", about, bad, rows, wanted, text, advice, at_most=True))

    def _stale(self, stream: StreamStatus) -> bool:
        age = stream.age(self.now)
        return age is None or age > timedelta(hours=self.marks.max_age_hours)

    def _measure(self, found: Measure, *, always: bool = False) -> Measure:
        """With what the admin says about it."""
        return replace(
            found, judged=always or found.total >= self.marks.fewest, accepted=found.name in self.marks.accept
        )


def _percent(part: int, total: int) -> str:
    return f"{100 * part // total} %" if total else "none"


def _mark(mark: float | None) -> str:
    return "" if mark is None else f"; wanted {mark:.0%}".replace("%", " %")


def _most(mark: float) -> str:
    return f"; at most {mark:.0%}".replace("%", " %")

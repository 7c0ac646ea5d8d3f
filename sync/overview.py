"""What `status` and `check` tell of the state file, in a few small queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sync import outbox
from sync.store import Store
from sync.tables import instant

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class MatchRate:
    """How many live records of one kind and source are linked to the CRM.

    Attributes:
        source: Its name.
        kind: "account" or "contact".
        linked: Those that are a record of the CRM.
        total: All.
        homed: Contacts that are none of the CRM's, and count for one of its accounts all the same: those of the
            addresses to which a bill goes, or of one who writes to support from an account that is known.
    """

    source: str
    kind: str
    linked: int
    total: int
    homed: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that only a person can decide, and how often."""

    source: str
    what: str
    why: str
    count: int


def match_rates(store: Store, *, crm: str) -> list[MatchRate]:
    """Per source other than the CRM and kind of record: linked and live records; the vendor's own staff left out."""
    rates = []
    for kind, where in (("account", ""), ("contact", " AND coalesce(record.staff, 0) = 0")):
        rows = store.rows(
            f"""SELECT source.name, count(link.key), count(*), sum(link.key IS NULL AND home.key IS NOT NULL)
                FROM {kind} record JOIN source ON source.id = record.source
                LEFT JOIN link ON link.kind = ?1 AND link.key = record.key
                LEFT JOIN link home ON ?1 = 'contact' AND home.kind = 'home' AND home.key = record.key
                WHERE source.name <> ?2 AND record.valid_from IS NOT NULL AND record.valid_to IS NULL{where}
                GROUP BY source.name ORDER BY source.name""",
            (kind, crm),
        )
        rates += [MatchRate(source, kind, linked, total, homed) for source, linked, total, homed in rows]
    return rates


def match_rules(store: Store) -> list[tuple[str, str, str, int]]:
    """(source, kind, rule, links), most first."""
    rows = store.rows("SELECT source, kind, rule, count(*) FROM latest_link GROUP BY 1, 2, 3 ORDER BY 1, 2, 4 DESC", ())
    return [(source, kind, rule, number) for source, kind, rule, number in rows]


def waiting(store: Store) -> list[Waiting]:
    """Quarantined rows and ambiguous identities, most first."""
    found = store.rows(
        """SELECT source.name, stream.name || ' row quarantined', reason, count(*)
           FROM quarantine JOIN stream ON stream.id = quarantine.stream JOIN source ON source.id = stream.source
           GROUP BY 1, 2, 3
           UNION ALL
           SELECT source, kind || ' ambiguous', reason, sum(affected) FROM review GROUP BY 1, 2, 3
           ORDER BY 4 DESC, 1, 2, 3""",
        (),
    )
    return [Waiting(*row) for row in found]


def untold(store: Store, now: datetime) -> list[Waiting]:
    """Channels that could not be told everything: what waits for another try, and what was given up in a week."""
    words = {"failed": "notices to be sent again", "given_up": "notices given up"}
    return [
        Waiting(f"notify.channels.{one.channel}", words[one.state], one.error, one.notices)
        for one in outbox.troubles(store, now - WEEK)
    ]


def band_counts(store: Store) -> dict[str, int]:
    """Accounts by band, those left aside that are not scored any more."""
    return dict(store.rows(_BANDS, ()))


_BANDS = """
SELECT s.band, count(*) FROM score s LEFT JOIN standing t ON t.crm_id = s.crm_id
WHERE s.level = 'account' AND t.frozen IS NULL GROUP BY s.band
"""


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A task of ours as the CRM last showed it.

    Attributes:
        task_key: The key under which the ledger has it.
        closed: Whether somebody has done it.
        at: When it was closed; of an open one when it was made, of a deleted one when we learnt that it is gone.
        deleted: Whether somebody deleted it.
    """

    task_key: str
    closed: bool
    at: datetime
    deleted: bool = False


_OWN_TASKS = """
SELECT t.task_key, t.closed, coalesce(t.valid_to, t.at), t.valid_to IS NOT NULL
FROM source s JOIN account a ON a.source = s.id JOIN activity t ON t.account = a.key
WHERE s.name = ?1 AND t.task_key IS NOT NULL AND t.source = s.id AND (a.source_id = ?2 OR a.key IN (
  SELECT m.key FROM record_map m JOIN account w ON w.key = m.merged_into
  WHERE m.kind = 'account' AND m.status = 'merged' AND w.source = s.id AND w.source_id = ?2
)) ORDER BY 3 DESC, t.key DESC
"""


def own_tasks(store: Store, crm: str, account_crm_id: str) -> list[OwnTask]:
    """What became of our tasks on an account and on those merged into it, the newest first.

    Empty where the CRM's tasks are not pulled, or do not carry our key.
    """
    rows = store.rows(_OWN_TASKS, (crm, account_crm_id))
    return [OwnTask(key, bool(closed), instant(at), bool(deleted)) for key, closed, at, deleted in rows]

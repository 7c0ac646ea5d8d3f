"""What `status` and `check` tell of the state file, in a few small queries."""

from dataclasses import dataclass

from sync.store import Store


@dataclass(frozen=True, slots=True)
class MatchRate:
    """How many live records of one kind and source are linked to the CRM."""

    source: str
    kind: str
    linked: int
    total: int


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
            f"""SELECT source.name, count(link.key), count(*)
                FROM {kind} record JOIN source ON source.id = record.source
                LEFT JOIN link ON link.kind = ? AND link.key = record.key
                WHERE source.name <> ? AND record.valid_from IS NOT NULL AND record.valid_to IS NULL{where}
                GROUP BY source.name ORDER BY source.name""",
            (kind, crm),
        )
        rates += [MatchRate(source, kind, linked, total) for source, linked, total in rows]
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


def band_counts(store: Store) -> dict[str, int]:
    """Accounts by band."""
    return dict(store.rows("SELECT band, count(*) FROM score WHERE level = 'account' GROUP BY band", ()))

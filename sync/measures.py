"""Numbers for monitoring, read out of the state file in a few small queries; no name and no text of a customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sync import outbox, overview
from sync.ledger import Ledger
from sync.ledger_rows import GOOD, RunRecord
from sync.store import Store
from sync.streams import StreamStatus


@dataclass(frozen=True, slots=True)
class Measures:
    """How the agent does.

    Attributes:
        now: When this was read.
        runs: (mode, status) -> runs on record.
        last: The newest run that has ended; None when none has.
        last_good: The newest that did its work.
        quota: Source -> limit and calls left of its day, as the newest run of 24 hours says that was told them: in a
            quiet hour few vendors are asked anything that answers with it.
        streams: Every stream of the configured sources.
        operations: State -> operations in the ledger.
        held: The newest plan waits for a person.
        bands: Band -> accounts.
        findings: What is wrong with the ledger; None when it was not looked at.
        notices: (channel, state) -> notices.
    """

    now: datetime
    runs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    last: RunRecord | None = None
    last_good: RunRecord | None = None
    quota: Mapping[str, Sequence[int | None]] = field(default_factory=dict)
    streams: Sequence[StreamStatus] = ()
    operations: Mapping[str, int] = field(default_factory=dict)
    held: bool = False
    bands: Mapping[str, int] = field(default_factory=dict)
    findings: int | None = None
    notices: Mapping[tuple[str, str], int] = field(default_factory=dict)


def measure(store: Store, now: datetime, sources: Sequence[str], *, modes: Sequence[str], prove: bool) -> Measures:
    """Read the numbers.

    Args:
        store: The state file; reading only will do.
        now: The instant.
        sources: Names of the configured sources.
        modes: Modes of runs that count as the job's own, such as "apply".
        prove: Also look whether the ledger is whole, which takes longest.
    """
    ledger = Ledger(store)
    counted = store.rows("SELECT mode, status, count(*) FROM run GROUP BY mode, status")
    ended = [run for run in ledger.runs(100) if run.mode in modes and run.status != "running"]
    judged = next((run for run in ended if run.status in GOOD), None)
    return Measures(
        now,
        {(mode, status): number for mode, status, number in counted},
        next(iter(ended), None),
        judged,
        next((run.counts["quota"] for run in ended if _told(run, now)), {}),
        [one for one in store.status() if one.source in sources],
        ledger.counts(),
        judged is not None and judged.status == "held",
        overview.band_counts(store),
        len(ledger.verify(deep=False)) if prove else None,
        outbox.counts(store),
    )


def _told(run: RunRecord, now: datetime) -> bool:
    """Whether a run of the last 24 hours was told what is left of a day's calls."""
    known = any(left is not None for _, left in run.counts.get("quota", {}).values())
    return known and now - run.started <= timedelta(days=1)


def ill(measures: Measures, most_age: float) -> str:
    """Why the job is not well, in one sentence; empty when it is: the last run did its work, not too long ago.

    Args:
        measures: The numbers.
        most_age: Seconds after which the last run counts as too long ago.
    """
    last = measures.last
    if last is None:
        return "no run has ended yet"
    if last.status not in GOOD:
        return f"run {last.run_id} ended as {last.status}"
    age = (measures.now - (last.ended or last.started)).total_seconds()
    if age > most_age:
        return f"the last run ended {age:,.0f} seconds ago, and {most_age:,.0f} are allowed"
    return ""

"""What a pull tells while it runs and when it has ended."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sync.store import Counts

Ending = Literal["ok", "off", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far one stream is; given after every batch and once at the end.

    Attributes:
        rows: Rows so far; events for usage streams.
        rate: Rows a second since the stream was started.
        done: True on the last one.
    """

    source: str
    stream: str
    rows: int
    rate: float
    done: bool = False


@dataclass(slots=True)
class PullReport:
    """What one stream's pull came to.

    Attributes:
        ending: "off": an optional stream that we may not read. "failed": `error` says why; batches before it stay.
            "stopped": we were asked to stop; the next pull goes on from there.
        counts: What became of the records.
        rows: Rows received; events for usage streams.
        batches: Pages committed.
        error: What went wrong, with advice; empty when nothing did.
        error_class: Name of the error's class, such as "QuotaError".
        notes: Further lines for the admin: a restart from nothing, a clock difference, a disappearance not believed.
        unknown: Vendor keys that the field map does not know, and how many rows had them.
        warnings: Optional values that were dropped, by what was wrong.
        skipped: Rows that are no record by the vendor's own meaning, by reason.
        complete: Up to when the stream is known: start of its last complete pull, None when there was none.
    """

    source: str
    stream: str
    record: str
    ending: Ending = "ok"
    counts: Counts = field(default_factory=Counts)
    rows: int = 0
    batches: int = 0
    error: str = ""
    error_class: str = ""
    notes: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    complete: datetime | None = None

"""Source -> map -> commit, all sources and their independent streams side by side."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Literal

from connectors.base import Clock, Source
from mapping.fields import FieldMap
from sync.store import Counts, Store

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
        rows: Rows received.
        batches: Pages committed.
        error: What went wrong, with advice; empty when nothing did.
        error_class: Name of the error's class, such as "QuotaError".
        notes: Further lines for the admin: a restart from nothing, a clock difference, a held disappearance.
        unknown: Vendor keys that the field map does not know, and how many rows had them.
        warnings: Optional values that were dropped, by what was wrong.
        complete: Up to when the stream is known: start of its last complete pull, None when there was none.
    """

    source: str
    stream: str
    record: str
    ending: Ending = "ok"
    counts: Counts = Counts()
    rows: int = 0
    batches: int = 0
    error: str = ""
    error_class: str = ""
    notes: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    complete: datetime | None = None


def pull_all(
    sources: Sequence[tuple[Source, FieldMap]],
    store: Store,
    clock: Clock,
    *,
    on_progress: Callable[[PullProgress], None] | None = None,
    stop: Event | None = None,
) -> list[PullReport]:
    """Pull every stream of every source and commit it; one report a stream, in the order of `sources`.

    A stream that fails leaves its age and error behind and the others go on. Raises `StoreError` only.
    """
    raise NotImplementedError

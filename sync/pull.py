"""Source -> map -> commit: all sources and their independent streams side by side.

The cursor of a stream comes from the source, never from our clock, and is committed with the rows it stands behind. So
a record that changes while the stream is read is either on a later page or behind the cursor of the next pull; and what
is read twice changes nothing.
"""

import logging
from array import array
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock
from typing import Any

from connectors.base import Batch, Clock, Crm, Source, Stream, Value
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    ShapeError,
    TransientError,
)
from connectors.redact import REDACTOR
from mapping.fields import FieldMap, Mapped
from sync import usage_files
from sync.lock import LockedError
from sync.reports import PullProgress, PullReport
from sync.row_doubt import RowDoubt
from sync.store import Page, PullEnd, Store, StoreError
from sync.values import count

__all__ = ["PullProgress", "PullReport", "pull_all"]

log = logging.getLogger(__name__)

THREADS = 5
"""Streams of one source read at the same time; more would not pass the vendor's rate limit."""

SKEW_WARNING = 120
"""Seconds that the vendor's clock and ours may differ before it is worth a note."""


def pull_all(
    sources: Sequence[tuple[Source, FieldMap]],
    store: Store,
    clock: Clock,
    *,
    on_progress: Callable[[PullProgress], None] | None = None,
    stop: Event | None = None,
    trusted: Collection[str] = (),
) -> list[PullReport]:
    """Pull every stream of every source and commit it; one report a stream, in the order of `sources`.

    A stream that fails leaves its age and error behind and the others go on.

    Args:
        sources: Each with its field map; a source that can be written to also says what it holds in our own fields.
        store: Where it goes.
        clock: For ages, validity and rates.
        on_progress: Called from one thread at a time.
        stop: Set it to end all pulls at their next batch boundary.
        trusted: Sources ("mixpanel") and streams ("mixpanel/events") that are believed whatever they say.

    Raises:
        StoreError: When the state cannot be written. All pulls have ended then.
    """
    usage_files.clean(store)
    shared = _Shared(store, clock, on_progress or (lambda _: None), stop or Event(), frozenset(trusted))
    pools = [ThreadPoolExecutor(THREADS, thread_name_prefix=f"pull-{source.name}") for source, _ in sources]
    futures: list[Future[PullReport]] = []
    try:
        for pool, (source, field_map) in zip(pools, sources, strict=True):
            group = _SourcePull(source, field_map, shared)
            futures += [pool.submit(group.pull, stream) for stream in _in_order(source.streams)]
        return _in_given_order([future.result() for future in futures], sources)
    except BaseException:
        shared.abort.set()
        raise
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=shared.abort.is_set())


def _in_order(streams: Sequence[Stream]) -> list[Stream]:
    """Streams so that each comes after those it waits for; a pool that starts them in order never waits in vain."""
    done: dict[str, Stream] = {}
    left = list(streams)
    names = {stream.name for stream in streams}
    while left:
        ready = [stream for stream in left if names.intersection(stream.after) <= done.keys()]
        if not ready:
            raise ValueError(f"streams wait for each other: {', '.join(stream.name for stream in left)}")
        done.update((stream.name, stream) for stream in ready)
        left = [stream for stream in left if stream.name not in done]
    return list(done.values())


def _in_given_order(reports: Sequence[PullReport], sources: Sequence[tuple[Source, FieldMap]]) -> list[PullReport]:
    places = {(source.name, stream.name): i for source, _ in sources for i, stream in enumerate(source.streams)}
    names = [source.name for source, _ in sources]
    return sorted(reports, key=lambda r: (names.index(r.source), places[r.source, r.stream]))


@dataclass(slots=True)
class _Shared:
    """What all pulls of one call share."""

    store: Store
    clock: Clock
    on_progress: Callable[[PullProgress], None]
    stop: Event
    trusted: frozenset[str]
    abort: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def stopping(self) -> bool:
        return self.stop.is_set() or self.abort.is_set()


class _SourcePull:
    """The pulls of one source's streams."""

    def __init__(self, source: Source, field_map: FieldMap, shared: _Shared) -> None:
        self.source = source
        self.field_map = field_map
        self.shared = shared
        self.finished = {stream.name: Event() for stream in source.streams}
        self.failed: set[str] = set()
        self.refused: ConnectorError | None = None
        """Why the vendor does not let us in at all, once it is known."""

    def pull(self, stream: Stream) -> PullReport:
        """Pull one stream once those it waits for have ended."""
        report = PullReport(self.source.name, stream.name, stream.record)
        try:
            for name in stream.after:
                if name in self.finished:
                    self.finished[name].wait()
            missing = self.failed.intersection(stream.after)
            if missing:
                self._fail(report, f"It needs {', '.join(sorted(missing))}, which could not be read.", "")
                self._note_end(stream, report, skew=None)
            else:
                _StreamPull(self, stream, report).run()
            if report.ending == "failed":
                self.failed.add(stream.name)
        except BaseException:
            self.shared.abort.set()
            raise
        finally:
            self.finished[stream.name].set()
        return report

    def _fail(self, report: PullReport, error: str, error_class: str) -> None:
        report.ending, report.error, report.error_class = "failed", error, error_class

    def _note_end(self, stream: Stream, report: PullReport, *, skew: int | None, listed: bool = False) -> None:
        end = PullEnd(
            rows=report.rows,
            rejects=report.counts.rejected,
            error="stopped before its end" if report.ending == "stopped" else report.error,
            off=report.notes[-1] if report.ending == "off" else "",
            listed=listed,
            missing=report.counts.held,
            skew=skew,
        )
        store = self.shared.store
        store.pull_finished(self.source.name, stream.name, stream.record, end, self.shared.clock.now())
        report.complete = store.complete(self.source.name, stream.name)


class _StreamPull:
    """One stream's pull."""

    def __init__(self, group: _SourcePull, stream: Stream, report: PullReport) -> None:
        self.group = group
        self.source = group.source
        self.shared = group.shared
        self.stream = stream
        self.report = report
        self.crm = group.source if isinstance(group.source, Crm) else None
        self.began = self.shared.clock.monotonic()
        names = {self.source.name, f"{self.source.name}/{stream.name}"}
        self.trusted = not names.isdisjoint(self.shared.trusted)
        self.doubt = RowDoubt.load(self.shared.store, f"{self.source.name}/{stream.name}", trusted=self.trusted)
        self.skew: int | None = None
        self.listed = False
        self._start_over()

    def _start_over(self) -> None:
        self.seen: array[int] = array("q")
        self.nameless = False
        self.last: tuple[str | None, list[Any]] = (None, [])

    def run(self) -> None:
        """Pull, and report whatever happens. Only trouble with our own state gets out."""
        store, clock = self.shared.store, self.shared.clock
        store.pull_started(self.source.name, self.stream.name, self.stream.record, clock.now())
        try:
            cursor = self._resume()
            self._pull_from(cursor)
            if cursor is None and self.stream.record == "usage":
                usage_files.drop_missing(store, self.source.name)
        except (StoreError, LockedError):
            raise
        except MissingPermissionError as error:
            if self.stream.optional:
                self.report.ending = "off"
                self.report.notes.append(f"{error}".strip())
            else:
                self._fail(error)
        except ConnectorError as error:
            if isinstance(error, CredentialsError | ConfigError):
                self.group.refused = error
            if isinstance(error, TransientError) and self.shared.stopping():
                self.report.ending = "stopped"  # waiting for the vendor was cut short
            else:
                self._fail(error)
        except Exception as error:
            # A defect in one connector or field map must not keep the other sources from being read.
            log.exception("%s %s: defect", self.source.name, self.stream.name)
            self._fail(error)
        if self.stream.record != "usage":
            with store.transaction() as conn:
                self.doubt.save(conn)
        self.group._note_end(self.stream, self.report, skew=self.skew, listed=self.listed)
        self._progress(done=True)

    def _fail(self, error: Exception) -> None:
        text = (
            str(error)
            if isinstance(error, ConnectorError)
            else REDACTOR.text(f"a defect: {type(error).__name__}: {error}")
        )
        self.group._fail(self.report, text, type(error).__name__)

    def _resume(self) -> str | None:
        """The saved cursor; None where what it stands behind is no longer there."""
        cursor = self.shared.store.cursor(self.source.name, self.stream.name)
        if cursor is not None and self.stream.record == "usage":
            gone = usage_files.missing(self.shared.store, self.source.name)
            if gone:
                self.report.notes.append(f"{usage_files.lost(gone)}: read from the start.")
                return None
        return cursor

    def _pull_from(self, cursor: str | None) -> None:
        try:
            self._pull(cursor)
        except CursorExpiredError as error:
            if cursor is None:
                raise
            self.report.notes.append(f"{error.message} The stream was read again from its start.")
            self._start_over()
            self._pull(None)

    def _pull(self, cursor: str | None) -> None:
        batches = self.source.pull(self.stream, cursor)
        try:
            for batch in self._until_stopped(batches):
                self._check_progress(batch)
                self._commit(batch)
                self.report.batches += 1
                self._progress()
        finally:
            if isinstance(batches, Generator):
                batches.close()  # lets the connector end its request when we stop in the middle

    def _until_stopped(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            if self.shared.stopping():
                self.report.ending = "stopped"
                return
            if self.group.refused is not None:
                raise self.group.refused
            batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _check_progress(self, batch: Batch) -> None:
        """Stop a vendor that sends the same page for ever."""
        page = (batch.cursor, batch.rows)
        if batch.cursor is not None and batch.rows and page == self.last:
            raise ShapeError(
                f"The same page of {self.stream.name} came twice in a row.",
                vendor=self.source.name,
                advice="What was read is kept; the next run tries again.",
            )
        self.last = page
        if batch.server_time is not None:
            self._note_skew(batch.server_time)

    def _note_skew(self, server_time: datetime) -> None:
        skew = round((server_time - self.shared.clock.now()).total_seconds())
        if self.skew is None and abs(skew) > SKEW_WARNING:
            self.report.notes.append(f"Its clock and ours differ by {abs(skew)} seconds.")
        self.skew = skew

    def _commit(self, batch: Batch) -> None:
        now = self.shared.clock.now()
        if batch.export is not None:
            self._ingest(batch, now)
            return
        if self.stream.record == "usage":
            return  # No events may be an outage's answer: the place before it is kept.
        mapped = self.group.field_map.apply(self.source.name, self.stream.name, batch.rows, now)
        if not mapped.deleted and not mapped.skipped:  # rows of another kind have other keys
            self.doubt.keys(batch.rows, *self.group.field_map.keys(self.stream.name))
        self.nameless |= any(reject.source_id is None for reject in mapped.rejects)
        page = Page(
            self.source.name,
            self.stream.name,
            self.stream.record,
            mapped.records,
            mapped.rejects,
            batch.cursor,
            [*batch.deleted, *mapped.deleted],
            batch.merged,
            self._own_values(batch.rows, mapped, now),
            self.seen,
            batch.full and not self.nameless,  # a row without an id may be any of those not named
            self.doubt,
        )
        counts = self.shared.store.commit(page, now)
        self.listed |= batch.full
        report = self.report
        report.counts += counts
        report.rows += len(batch.rows)
        report.unknown += mapped.unknown
        report.warnings += mapped.warnings
        report.skipped += mapped.skipped
        if counts.held:
            report.notes.append(
                f"{count(counts.held, 'record')} {'is' if counts.held == 1 else 'are'} missing from a complete "
                "listing: too many to believe, so all were kept."
            )

    def _own_values(self, rows: Sequence[Any], mapped: Mapped, now: datetime) -> Mapping[str, Mapping[str, Value]]:
        """What the CRM says in our own fields, by record id."""
        if self.crm is None or self.stream.record not in {"account", "contact"}:
            return {}
        read, stream = self.crm.own_values, self.stream
        if len(mapped.records) == len(rows):
            return {record.source_id: read(stream, row) for record, row in zip(mapped.records, rows, strict=True)}
        values: dict[str, Mapping[str, Value]] = {}
        for row in rows:  # some rows became no record: find out which
            alone = self.group.field_map.apply(self.source.name, stream.name, [row], now)
            values.update((record.source_id, read(stream, row)) for record in alone.records)
        return values

    def _ingest(self, batch: Batch, now: datetime) -> None:
        from sync import usage

        events = self.group.field_map.events()
        if batch.export is None or events is None:
            raise ShapeError(f"The field map of {self.source.name} does not say how to read events.")
        counts = usage.ingest(
            self.shared.store,
            (self.source.name, self.stream.name),
            batch.export,
            events,
            cursor=batch.cursor,
            now=now,
            trusted=self.trusted,
        )
        self.report.counts += counts
        self.report.rows += counts.events + counts.anonymous + counts.duplicates + counts.rejected

    def _progress(self, *, done: bool = False) -> None:
        seconds = self.shared.clock.monotonic() - self.began
        rows = self.report.rows
        rate = rows / seconds if seconds > 0 else 0.0
        with self.shared.lock:
            self.shared.on_progress(PullProgress(self.source.name, self.stream.name, rows, rate, done))

"""Files that another tool, or a person, puts into a folder: CSV, JSON lines, Parquet, for any kind of record.

Each file is looked through, read page by page, and moved to `done/` only once its last page is committed: a batch is
known to be committed when the next one is asked for, and the cursor says which file that was. So a crash in between
costs nothing and reads nothing twice: the next pull finds in the cursor that the file was done, and only moves it.
Nothing is asked of anybody: a pull costs no call.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from connectors import files_read
from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Stream
from connectors.errors import CursorExpiredError, ShapeError, TransientError
from connectors.event_lines import EventLines, EventSpool
from connectors.files_folder import Folder, Found, being_written, in_order, reason_text
from connectors.files_read import BadFileError
from connectors.files_settings import FileTable, Settings
from connectors.place import State, dump, load

PAGE = 1000
SHOWN = 5
"""Names in a message."""

__all__ = ["Settings", "connect"]


class Files:
    """A folder as a source."""

    def __init__(self, name: str, settings: Settings, clock: Clock, spool: Path | None) -> None:
        self.name = name
        self.streams = settings.as_streams()
        self._tables = settings.streams
        self._folder = Folder(settings.folder, settings.streams, settings.settle)
        self._clock = clock
        self._spool = spool

    @property
    def calls(self) -> Mapping[str, int]:
        """None: nobody is asked."""
        return Counter()

    def environment(self) -> Environment:
        """Which folder it is. Raises `ConfigError` when it cannot be used."""
        self._folder.require()
        return Environment("files", str(self._folder.path), f"the folder {self._folder.path}", "folder")

    def check(self) -> Iterator[Finding]:
        """Yield the folder, what waits in it, and what nobody takes. Moves nothing."""
        yield Finding("ok", "identity", f"Reads files from {self.environment().label}.")
        if not self.streams:
            yield Finding(
                "warning",
                "no_streams",
                "No file is read, since the config names no streams.",
                "Say under `streams` which files hold what.",
            )
        if self._folder.path.stat().st_mode & 0o002:
            yield Finding(
                "warning",
                "open_folder",
                f"Everybody on this machine may put files into {self._folder.path}.",
                "What stands in them changes scores: run chmod o-w on it.",
            )
        if failed := self._folder.failed():
            yield Finding(
                "warning",
                "failed_files",
                f"{_files(failed)} in {self._folder.path}/failed could not be read.",
                "The text file beside each says why; remove both once that is settled.",
            )
        entries = [entry.name for entry in self._folder.entries()]
        beside = self._folder.names()
        whole = [name for name in entries if not being_written(name, beside)]
        strange = [name for name in whole if self._folder.stream_of(name) is None]
        if stray := strange + self._folder.links():
            yield Finding(
                "warning",
                "stray_files",
                f"Left where they are, since they fit no stream's `files` or are symbolic links: {_files(stray)}.",
                "Put the file itself in place of a link; for other files see `files` of each stream.",
            )
        ours = len(whole) - len(strange)
        yield Finding("info", "waiting", f"{ours:,} {'file waits' if ours == 1 else 'files wait'} to be read.")

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what is in new files; see `Source.pull`.

        Raises:
            ConfigError: The folder cannot be used.
            ShapeError: After everything else was read: some files could not be, and are in `failed/` now.
        """
        state = _state(cursor)
        self._folder.require()
        try:
            for number, name, mark in state["moves"]:
                self._folder.finish(stream.name, number, name, mark)
            yield from _Pull(self, stream, state, first=cursor is None).run()
        except OSError as error:
            about = f"{error.filename or self._folder.path}: {error.strerror or error}"
            raise TransientError(f"a file could not be read or moved: {about}.", vendor="files") from None
        except BadFileError as error:
            raise TransientError(f"a file was changed while it was read: {error.reason}.", vendor="files") from None

    # -- for a pull ----------------------------------------------------------------------------------------------

    def found(self, stream: str, done: int) -> list[Found]:
        """What is to be read: files of `done/` that came after the cursor, then those that wait."""
        journal = self._folder.journal(stream)
        following = max([done, *(one.number for one in journal)]) + 1
        waiting = in_order(self._folder.waiting(stream), following, self._folder.path)
        return [*(one for one in journal if one.number > done), *waiting]


class _Pull:
    """One pull of one stream."""

    def __init__(self, source: Files, stream: Stream, state: State, *, first: bool) -> None:
        self.source = source
        self.stream = stream
        self.table: FileTable = source._tables[stream.name]
        self.folder = source._folder
        self.at: list[Any] = state["at"]
        self.done: int = state["done"]
        self.first = first
        self.failed: list[str] = []
        self.batches = 0

    def run(self) -> Iterator[Batch]:
        found = self.source.found(self.stream.name, self.done)
        if self.table.is_usage:
            yield from self._events(found)
        elif self.table.full:
            yield from self._newest(found)
        else:
            for one in found:
                yield from self._rows(one, [one])
        if not self.batches:
            yield self._batch([], {"done": self.done, "moves": []})
        if self.failed:
            raise ShapeError(
                f"{_files(self.failed)} could not be read.",
                vendor="files",
                advice=f"The text beside each in {self.folder.path / 'failed'} says why; everything else was read.",
            )

    def _newest(self, found: list[Found]) -> Iterator[Batch]:
        """The newest file that can be read; what it supersedes is done with it."""
        for place in range(len(found) - 1, -1, -1):
            if self._usable(found[place], empty=False):
                self.at = []
                yield from self._rows(found[place], found[: place + 1], checked=True)
                return

    def _rows(self, one: Found, finishes: Sequence[Found], *, checked: bool = False) -> Iterator[Batch]:
        """The rows of a file that the cursor does not know yet; with the last of them, files are done with."""
        if not checked and not self._usable(one):
            return
        row = self.at[3] if self.at[:3] == [one.number, one.name, one.mark] else 0
        pages = files_read.reader(one.path, self.table).pages(PAGE, row)
        page: list[Any] | None = next(pages, [])
        while page is not None:
            row, following = row + len(page), next(pages, None)
            if not self.folder.unchanged(one):
                raise TransientError(f"{one.name} was changed while it was read.", vendor="files")
            if following is None:
                yield self._batch(page, self._ended(finishes), full=self.table.full)
            else:
                place = [] if self.table.full else [one.number, one.name, one.mark, row]
                yield self._batch(page, {"done": self.done, "moves": [], "at": place, "row": row})
            page = following
        self._finish(finishes)

    def _events(self, found: list[Found]) -> Iterator[Batch]:
        """Events: at first those of all files at once, in place of whatever was counted; then file by file."""
        usable = [one for one in found if self._usable(one)]
        spool = EventSpool(self.source._spool, self.source.name, self.stream.name)
        spool.clean()
        lines, today = EventLines(self.table.fields), self.source._clock.now().astimezone(UTC).date()
        for some in [usable] if self.first and usable else [[one] for one in usable]:
            arrived = self.source._clock.now().timestamp()
            rows = (lines.line(row, arrived) for one in some for row in files_read.reader(one.path, self.table).rows())
            export = spool.export(rows, today, replaces=self.first or self.table.full)
            place = self._ended(some)
            if export is not None:
                self.batches += 1
                yield Batch(cursor=dump(place), export=export, server_time=self.source._clock.now())
            self._finish(some)

    def _ended(self, some: Sequence[Found]) -> State:
        """The place once these files are committed."""
        self.done = some[-1].number
        return {"done": self.done, "moves": [[one.number, one.name, one.mark] for one in some if one.waits]}

    def _finish(self, some: Sequence[Found]) -> None:
        for one in some:
            if one.waits:
                self.folder.finish(self.stream.name, one.number, one.name, one.mark)

    def _usable(self, one: Found, *, empty: bool = True) -> bool:
        """Whether a file can be read to its end; otherwise it is put aside with the reason."""
        try:
            count = files_read.reader(one.path, self.table).inspect()
        except BadFileError as error:
            why = (error.reason, error.advice)
        except PermissionError:
            why = ("it may not be read", "Give the agent's user the right to read it.")
        else:
            if count or empty:
                return True
            why = (
                "it has no rows, and taken as the list of all records it would remove every one",
                "See whether it was made as it should be.",
            )
        self.failed.append(one.name)
        now, place = self.source._clock.now(), (self.source.name, self.stream.name)
        if one.waits:
            self.folder.fail(one.name, reason_text(self.folder.path / one.name, why, place, now))
        return False

    def _batch(self, rows: list[Any], place: State, *, full: bool = False) -> Batch:
        self.batches += 1
        return Batch(rows, dump(place), server_time=self.source._clock.now(), full=full)


def _state(cursor: str | None) -> State:
    """What a cursor says: the number of the last file done, files to be moved, and a place inside a file."""
    state = {"done": 0, "moves": [], "at": [], **load(cursor, "files")}
    if not isinstance(state["done"], int) or not isinstance(state["moves"], list) or not isinstance(state["at"], list):
        raise CursorExpiredError("the saved place cannot be read.", vendor="files")
    return state


def _files(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: object = None,  # noqa: ARG001 - there is no network
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - files come with all their columns
) -> Files:
    """Make the source; the folder is not looked at yet."""
    return Files(name, settings, clock, spool)

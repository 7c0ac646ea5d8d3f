"""Any Singer tap as a source: a program of its own that prints records, run once a pull for each stream.

A stream's cursor is the state that the tap printed, together with the version of its table. A tap sends again what it
is not sure of; records are replaced by their id. What is gone a tap does not say, unless it lists a table anew: with
ACTIVATE_VERSION, or because the config says that it does (`full`).

What it asks of its vendor, and how fast, is the tap's own affair: one tap runs at a time for each source, and it is
ended when it is silent or at work for too long. A first pull and a quiet hour cost one run for each stream, and one
more to find out what the tap offers.
"""

import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Stream
from connectors.config_streams import USAGE
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    ShapeError,
    TransientError,
)
from connectors.event_lines import EventLines, EventSpool
from connectors.place import State, dump, load, marked
from connectors.redact import REDACTOR
from connectors.singer_catalog import Catalog, checked, fields, names, selected
from connectors.singer_child import VENDOR, Child, environment, searched
from connectors.singer_files import Files, parsed, write
from connectors.singer_messages import PAGE, Reader, reading
from connectors.singer_settings import Settings, TapTable

__all__ = ["PAGE", "Settings", "connect"]

MAX_CATALOG = 64 * 1024 * 1024
"""Bytes that --discover may print."""
SHOWN = 300
"""Characters of the tap's last words that are shown."""
REFUSALS: tuple[tuple[re.Pattern[str], type[ConnectorError], str], ...] = (
    (
        re.compile(
            r"\b401\b|unauthori[sz]ed|(invalid|expired|bad)[ _]\w*[ _]?(token|key|credential|grant|client)",
            re.IGNORECASE,
        ),
        CredentialsError,
        "See `secrets`; the tap's documentation says which rights it needs.",
    ),
    (
        re.compile(r"\b403\b|forbidden|permission denied", re.IGNORECASE),
        MissingPermissionError,
        "Grant the tap's user the right.",
    ),
    (
        re.compile(r"\b429\b|too many requests|rate.?limit", re.IGNORECASE),
        QuotaError,
        "The next run goes on from its last state.",
    ),
)
"""What taps say last when their vendor has refused them, and what to do."""
KEPT = "What it had given is kept; the next run goes on from its last state."
NO_CATALOG = "Run it by hand with --discover, which must print a catalog and nothing else; see `config` and `discover`."
ROWS = {"record", "stream", "fields", "skip", "deleted"}
"""Settings by which other records are read, or more of them: a state is good for those with which it came."""
UNREADABLE = "the saved place cannot be read."


class Tap:
    """A tap as a source."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        clock: Clock,
        spool: Path | None,
        wanted: Mapping[str, Sequence[str]],
    ) -> None:
        self.name = name
        self.streams = settings.as_streams()
        self.calls: Counter[str] = Counter()
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._wanted = wanted
        self._files = Files(spool, name, _config(settings))
        self._lock = Lock()
        self._catalog: Catalog | None = None

    def environment(self) -> Environment:
        """What the config says about the account; the tap is not run, since none can be asked."""
        label = self._settings.account or self.name
        return Environment(VENDOR, label, f"{self._program} reading {label}", self._program)

    def check(self) -> Iterator[Finding]:
        """Yield whether the tap starts and offers what the config wants. Runs it once, for its catalog.

        Raises a `ConnectorError` when it does not start or ends in an error.
        """
        if not self._settings.discover:
            self._command()
            yield Finding("ok", "identity", f"{self.environment().label}; it cannot say what it offers.")
            return
        with self._turn():
            self._catalog = None
            catalog = self._offered("check")
        offered = names(catalog)
        yield Finding(
            "ok",
            "identity",
            f"{self.environment().label}; it offers {len(offered)} {'stream' if len(offered) == 1 else 'streams'}.",
        )
        for name, table in self._settings.streams.items():
            theirs = table.stream or name
            if theirs not in offered:
                text = f"The tap offers no stream {theirs!r}; it has {', '.join(offered)}."
                yield Finding("error", "missing_stream", text, "Many taps leave out what the token may not read.")
            elif unknown := self._tops(name, table) - fields(catalog, theirs):
                text = f"The tap's stream {theirs} has no {', '.join(sorted(unknown))}, which the config reads."
                yield Finding("warning", "missing_field", text, f"See streams.{name}.fields; --discover lists them.")
        if not self.streams:
            yield Finding("warning", "no_streams", "The config names no streams.", "Name a ready map or `streams`.")

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Run the tap for one stream from the state in `cursor`; see `Source.pull`."""
        table = self._settings.streams[stream.name]
        mark = marked(table.model_dump(mode="json", include=ROWS))
        place = {"of": mark, **_place(cursor)}
        if place["of"] != mark:
            raise CursorExpiredError("the config wants other rows of it than before.", vendor=VENDOR)
        with self._turn():
            catalog = self._offered("setup") if self._settings.discover else None
            with self._files.folder() as folder:
                words = ["--config", "config.json"]
                if catalog is not None:
                    wanted = self._tops(stream.name, table)
                    chosen = selected(catalog, table.stream or stream.name, table.along, wanted)
                    write(folder / "catalog.json", chosen)
                    words += [self._settings.catalog_option, "catalog.json"]
                if "state" in place and not table.full:
                    write(folder / "state.json", place["state"])
                    words += ["--state", "state.json"]
                yield from self._read(stream, table, place, self._started(words, folder, stream.name))

    def _read(self, stream: Stream, table: TapTable, place: State, child: Child) -> Iterator[Batch]:
        """The batches of one run."""
        reader = Reader(table.stream or stream.name, PAGE, dict(place))
        pack = self._packed if stream.record != USAGE else self._counted
        try:
            for rows, moved in reading(reader, child.lines()):
                yield from pack(stream, rows, dump(reader.place) if moved and not table.full else None)
            code = child.ended()
            if code == 0 and child.rest.strip():
                reader.take(child.rest)
            if code != 0:
                raise _failed(code, child.said, KEPT)
        finally:
            child.close()
        if reader.told and reader.stream not in reader.seen:
            raise ShapeError(
                f"the tap sent records of {reader.stream!r} and never their SCHEMA.",
                vendor=VENDOR,
                advice="Singer asks for it before the first record; see whether there is a newer version of the tap.",
            )
        if reader.stream not in reader.seen:
            raise ShapeError(
                f"the tap said nothing of a stream {reader.stream!r}"
                + (f"; it spoke of {', '.join(sorted(reader.seen))}." if reader.seen else "."),
                vendor=VENDOR,
                advice="See `stream` and `along`; some taps leave out what the token may not read.",
            )
        rows, _ = reader.batch()
        last = {} if table.full else reader.place
        yield from pack(stream, rows, dump(last), full=table.full or reader.listed)

    def _packed(self, stream: Stream, rows: list[Any], cursor: str | None, *, full: bool = False) -> Iterator[Batch]:
        del stream
        yield Batch(rows, cursor, server_time=self._clock.now(), full=full)

    def _counted(self, stream: Stream, rows: list[Any], cursor: str | None, *, full: bool = False) -> Iterator[Batch]:
        """Events, written down for who counts them; those that come again are known by their id or time."""
        now, lines = self._clock.now(), EventLines(self._settings.streams[stream.name].fields)
        spool = EventSpool(self._spool, self.name, stream.name)
        export = spool.export((lines.line(row, now.timestamp()) for row in rows), now.date(), replaces=full)
        if export is not None:
            yield Batch(cursor=cursor, export=export, server_time=now)

    # -- the tap --------------------------------------------------------------------------------------------------

    @property
    def _program(self) -> str:
        return Path(self._settings.command[0]).name

    def _tops(self, name: str, table: TapTable) -> set[str]:
        """Fields of the tap's records that we read; none stands for all."""
        paths = (
            [line for line in table.fields.values() if not line.startswith("const:")]
            if table.record == USAGE
            else self._wanted.get(name, ())
        )
        return {path.partition(".")[0].partition("[")[0] for path in paths}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One tap at a time: its vendor's limits are for all its runs together."""
        while not self._lock.acquire(timeout=0.25):
            self._clock.sleep(0)  # ends here when we are to stop
        try:
            yield
        finally:
            self._lock.release()

    def _offered(self, purpose: str) -> Catalog:
        if self._catalog is None:
            with self._files.folder() as folder:
                child = self._started(["--config", "config.json", "--discover"], folder, purpose)
                try:
                    printed = bytearray()
                    for line in child.lines():
                        printed += line + b"\n"
                        if len(printed) > MAX_CATALOG:
                            raise ShapeError(f"its catalog is larger than {MAX_CATALOG >> 20} MiB.", vendor=VENDOR)
                    code = child.ended()
                finally:
                    child.close()
                if code != 0:
                    raise _failed(code, child.said, NO_CATALOG)
                self._catalog = checked(parsed(bytes(printed) + child.rest, "the tap's catalog", NO_CATALOG))
        return self._catalog

    def _command(self) -> tuple[list[str], list[str]]:
        """The program with its path, and the folders in which it finds others.

        Raises:
            ConfigError: There is no such program.
        """
        own = self._settings.environment
        programs = [] if own is None else [str(own.expanduser() / "bin")]
        head, *words = self._settings.command
        found = shutil.which(str(Path(head).expanduser()), path=os.pathsep.join(searched(programs)))
        if found is None and "/" in head and Path(head).expanduser().is_file():
            raise ConfigError(
                f"{head} may not be run.", vendor=VENDOR, advice=f"Allow it: chmod +x {shlex.quote(head)}."
            )
        if found is None:
            where = f" in {programs[0]} or" if programs else ""
            raise ConfigError(
                f"there is no program {head!r}{where} where programs are looked for.",
                vendor=VENDOR,
                advice="Install the tap into a virtual environment of its own and name it as `environment`.",
            )
        return [str(Path(found).absolute()), *words], programs

    def _started(self, words: list[str], folder: Path, purpose: str) -> Child:
        command, programs = self._command()
        settings = self._settings
        self.calls[purpose] += 1
        limits = (settings.silent_minutes * 60, settings.most_minutes * 60)
        return Child([*command, *words], folder, environment(folder, programs, settings.pass_env), self._clock, limits)


def _config(settings: Settings) -> dict[str, Any]:
    """The tap's settings with its secrets in their places."""
    config: dict[str, Any] = {**settings.config}
    for name, secret in settings.secrets.items():
        table = config
        *above, last = name.split(".")
        for part in above:
            inner = table.get(part)
            table[part] = dict(inner) if isinstance(inner, dict) else {}
            table = table[part]
        table[last] = secret.get_secret_value()
    return config


def _place(cursor: str | None) -> State:
    place = load(cursor, VENDOR)
    if not isinstance(place.get("state", {}), dict) or place.keys() - {"state", "version", "of"}:
        raise CursorExpiredError(UNREADABLE, vendor=VENDOR)
    return place


def _failed(code: int, said: Sequence[str], advice: str) -> ConnectorError:
    """What a tap that ended badly said last, and what to do unless that is plain from its words."""
    last = REDACTOR.text(said[-1])[:SHOWN].rstrip(".") if said else ""
    ending = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    text = f"the tap {ending}{': ' + last if last else ' and said nothing'}."
    for pattern, kind, remedy in REFUSALS:
        if any(pattern.search(line) for line in said[-3:]):
            return kind(text, vendor=VENDOR, code=str(code), advice=remedy)
    return TransientError(text, vendor=VENDOR, code=str(code), advice=advice)


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: object = None,  # noqa: ARG001 - the tap has its own way to its vendor
    spool: Path | None = None,
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> Tap:
    """Make the source; the tap is not run yet."""
    REDACTOR.add(secret.get_secret_value() for secret in settings.secrets.values())
    return Tap(name, settings, clock, spool, wanted or {})

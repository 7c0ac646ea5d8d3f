"""Runs a checked stream map over a page of rows.

Every value is converted on its own, so one bad value costs that value only. Then the whole page is validated into
models at once; what that refuses is mended row by row and the page is validated again.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mapping import paths, reduce
from mapping.convert import MAX_TEXT, Converter, UnreadableError
from mapping.finish import FINISH, Values
from mapping.kinds import PAST
from mapping.mapped import Mapped, Reject, shorten
from mapping.schema import Record
from mapping.spec import FieldSpec, StreamSpec

UNREADABLE = "_unreadable"
"""Key under which a connector says why it could make nothing of a row: where in which file it stands."""
_DAY = timedelta(days=1)
_YEAR = timedelta(days=366)
_Simple = tuple[str, str, Converter]
_Groups = list[tuple[str | None, list[_Simple]]]
_Chained = list[tuple[str, FieldSpec]]
Problems = dict[str, UnreadableError]
"""Field -> what was wrong with its value."""


class Stream:
    """One stream's map, made ready to run. Immutable but for a memory of unimportant keys; safe between threads."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.adapter: TypeAdapter[list[Record]] = TypeAdapter(list[spec.model])  # type: ignore[name-defined]  # a value
        self.required = {name for name, f in spec.model.model_fields.items() if f.is_required()} - {"source"}
        self.past = tuple(name for name in spec.fields if name in PAST)
        self.fixed = {n: f.default for n, f in spec.fields.items() if not f.readers and f.default is not None}
        self.groups, self.chained = _arrange(spec.fields)
        self.id_groups, self.id_chained = _arrange(spec.external_ids)
        self.name_groups, self.name_chained = _arrange({n: f for n, f in spec.fields.items() if n == "source_id"})
        self.finish = FINISH.get(spec.record)
        steps = [[key for key, _ in paths.parse(path)] for path in spec.paths()]
        self.read = frozenset(s[0] for s in steps)
        self.base_read = frozenset(s[1] for s in steps if len(s) > 1 and s[0] == spec.base)
        self.known, self.base_known = set(self.read), set(self.base_read)
        self.texts = [tuple(key for key, _ in paths.parse(path)) for path in sorted(spec.texts())]

    def asked(self) -> list[str]:
        """Vendor fields to ask for: those of the base, or whole paths up to the first list."""
        if self.spec.base:
            return sorted(self.base_read)
        return sorted({_plain(path) for path in self.spec.paths() if not path.startswith("_")})

    def count_unknown(self, row: dict[str, Any], base: dict[str, Any], mapped: Mapped) -> None:
        """Count keys that the map neither reads nor ignores, and remember those it ignores."""
        prefix = f"{self.spec.base}."
        for items, known, start in ((row, self.known, ""), (base, self.base_known, prefix)):
            for key in items:
                if key in known:
                    continue
                name = reduce.clean(f"{start}{key}", 100)
                if key.startswith("_") or any(fnmatch.fnmatchcase(name, glob) for glob in self.spec.ignore):
                    known.add(key)
                else:
                    mapped.unknown[name] += 1


def _plain(path: str) -> str:
    """The beginning of a path, up to and with the first step that picks from a list."""
    keys = []
    for key, select in paths.parse(path):
        keys.append(key)
        if select is not None:
            break
    return ".".join(keys)


class Page:
    """The work on one page."""

    def __init__(self, stream: Stream, source: str, name: str, now: datetime) -> None:
        self.stream, self.source, self.name = stream, source, name
        self.mapped = Mapped()
        self._latest = now + _DAY
        self._latest_start = (now + _YEAR).date()
        self._rows: list[Any] = []
        self._values: list[Values] = []

    def run(self, rows: Sequence[Any]) -> Mapped:
        """Map the rows."""
        for row in rows:
            if isinstance(row, dict):
                self._row(row)
            else:
                self._reject(row, None, f"the row is {type(row).__name__}, not an object")
        while self._values:
            try:
                self.mapped.records = self.stream.adapter.validate_python(self._values)
            except ValidationError as error:
                self._mend(error)
            else:
                break
        return self.mapped

    def _mend(self, error: ValidationError) -> None:
        """Cut the too long, drop the optional, reject what cannot do without; so every round has fewer faults."""
        refused: dict[int, str] = {}
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            index, name = int(detail["loc"][0]), str(detail["loc"][1])
            values = self._values[index]
            if detail["type"] == "string_too_long" and isinstance(values.get(name), str):
                values[name] = values[name][:MAX_TEXT].strip()
                self.mapped.warnings[f"{name}: cut to {MAX_TEXT} characters"] += 1
            elif name in self.stream.required:
                refused[index] = f"{name}: {shorten(values.get(name))}: {detail['msg']}"
            elif values.pop(name, None) is not None:
                self.mapped.warnings[f"{name}: {detail['msg']}"] += 1
        for index, reason in refused.items():
            self._reject(self._rows[index], self._values[index].get("source_id"), reason)
        kept = [index for index in range(len(self._rows)) if index not in refused]
        self._rows, self._values = [self._rows[i] for i in kept], [self._values[i] for i in kept]

    def _row(self, row: dict[str, Any]) -> None:
        stream = self.stream
        base = row.get(stream.spec.base) if stream.spec.base else None
        if stream.spec.base and not isinstance(base, dict):
            self._reject(row, None, f"{stream.spec.base}: {shorten(base)} is not an object")
            return
        if not stream.known.issuperset(row) or (base and not stream.base_known.issuperset(base)):
            stream.count_unknown(row, base or {}, self.mapped)
        for condition in stream.spec.skip:
            if condition.holds(row) and self._has_name(row):
                self.mapped.skipped[condition.path] += 1
                return
        problems: Problems = {}
        values = self._read(row, problems)
        self._check(values, problems)
        deleted = stream.spec.deleted and any(condition.holds(row) for condition in stream.spec.deleted)
        if deleted and "source_id" in values:
            self.mapped.deleted.append(values["source_id"])
        elif stream.required <= values.keys():
            self._rows.append(row)
            self._values.append(values)
            if problems:
                self._warn(problems)
        else:
            said = row.get(UNREADABLE)
            reason = said if isinstance(said, str) else self._missing(values, problems)
            self._reject(row, values.get("source_id"), reason)

    def _has_name(self, row: dict[str, Any]) -> bool:
        """Whether a row has an id. One without is no record of the vendor's, whatever else it lacks or says."""
        found: Values = {}
        _fill(row, self.stream.name_groups, self.stream.name_chained, found, {})
        return "source_id" in found

    def _read(self, row: dict[str, Any], problems: Problems) -> Values:
        """Convert every field of a row by itself."""
        stream = self.stream
        values: Values = {"source": self.source, **stream.fixed}
        _fill(row, stream.groups, stream.chained, values, problems)
        ids: Values = {}
        _fill(row, stream.id_groups, stream.id_chained, ids, problems)
        if ids:
            values["external_ids"] = ids
        return values

    def _check(self, values: Values, problems: Problems) -> None:
        """What happened cannot lie ahead; then the rules over several fields."""
        for name in self.stream.past:
            at = values.get(name)
            if at is not None and at > self._latest:
                problems[name] = UnreadableError(f"{at:%Y-%m-%d %H:%M}", "a point in time up to now")
                del values[name]
        since = values.get("customer_since")
        if since is not None and since > self._latest_start:
            problems["customer_since"] = UnreadableError(str(since), "a day at most a year ahead")
            del values["customer_since"]
        if self.stream.finish is not None:
            name, rule = self.stream.finish
            try:
                rule(values)
            except UnreadableError as error:
                problems[name] = error
                values.pop(name, None)

    def _missing(self, values: Values, problems: Problems) -> str:
        """Why a row has no value for a required field."""
        names = sorted(self.stream.required - values.keys())
        return "; ".join(f"{name}: {problems.get(name, 'is missing')}" for name in names)

    def _warn(self, problems: Problems) -> None:
        for name, problem in problems.items():
            self.mapped.warnings[f"{name}: not {problem.allowed}"] += 1

    def _reject(self, row: Any, source_id: str | None, reason: str) -> None:
        stream = self.stream
        text = reduce.row_text(reduce.without(row, stream.texts), stream.read, stream.spec.base, stream.base_read)
        clean_id = reduce.clean(source_id, MAX_TEXT) if source_id is not None else None
        self.mapped.rejects.append(Reject(self.source, self.name, clean_id, reduce.clean(reason, 500), text))


def _arrange(fields: Mapping[str, FieldSpec]) -> tuple[_Groups, _Chained]:
    """Put fields that are a key of the row, or of one object in it, together: the fast way to read them."""
    groups: dict[str | None, list[_Simple]] = {}
    chained: _Chained = []
    for name, field in fields.items():
        steps = paths.parse(field.readers[0].path) if len(field.readers) == 1 and field.default is None else ()
        if 1 <= len(steps) <= 2 and all(select is None for _, select in steps):
            top = steps[0][0] if len(steps) == 2 else None
            groups.setdefault(top, []).append((name, steps[-1][0], field.readers[0].convert))
        elif field.readers:
            chained.append((name, field))
    return list(groups.items()), chained


def _fill(row: dict[str, Any], groups: _Groups, chained: _Chained, values: Values, problems: Problems) -> None:
    """Read all fields of a row: the hot loop."""
    for top, fields in groups:
        held = row if top is None else row.get(top)
        if not isinstance(held, dict):
            continue
        for name, key, convert in fields:
            value = held.get(key)
            if value is None:
                continue
            try:
                value = convert(value)
            except UnreadableError as error:
                problems[name] = error
            else:
                if value is not None:
                    values[name] = value
    for name, field in chained:
        _chain(row, name, field, values, problems)


def _chain(row: dict[str, Any], name: str, field: FieldSpec, values: Values, problems: Problems) -> None:
    """Try one reader after the other, then the default; of a field with several values join what all readers give."""
    for reader in field.readers:
        try:
            value = reader.convert(reader.get(row))
        except UnreadableError as error:
            problems[name] = error
            continue
        if isinstance(value, tuple):
            values[name] = tuple(dict.fromkeys((*values.get(name, ()), *value)))
        elif value is not None:
            values[name] = value
            return
    if field.default is not None and name not in problems:
        values.setdefault(name, field.default)
